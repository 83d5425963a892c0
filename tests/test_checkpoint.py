import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kilograd.errors import ModelError
from kilograd.frontend.checkpoint import archive, read_checkpoint

PUBLISHED = Path(__file__).parents[2] / "shared" / "models"


# A small network, as plain values: 4x4x3 image, one bottleneck with a residual, 5 classes.


def conv(in_channels, out_channels, x, y, *, kernel=1, groups=1, size=4, stride=1):
    rng = np.random.default_rng(in_channels * 100 + out_channels)
    shape = (out_channels, in_channels // groups, kernel, kernel)
    return {
        "in_channel": in_channels,
        "in_shape": size,
        "out_channel": out_channels,
        "out_shape": -(-size // stride),
        "kernel_size": (kernel, kernel),
        "stride": stride,
        "groups": groups,
        "depthwise": groups > 1,
        "act": None,
        "params": {
            "weight": rng.integers(-127, 128, shape).astype(np.int8),
            "bias": rng.integers(-1000, 1000, out_channels).astype(np.int32),
            "x_scale": x[0],
            "x_zero": x[1],
            "y_scale": y[0],
            "y_zero": y[1],
            "w_scales": rng.uniform(0.001, 0.1, out_channels).astype(np.float32),
        },
    }


def network():
    image, low, wide, out, total = (1 / 127.5, 0), (0.05, -3), (0.02, -128), (0.04, 5), (0.06, 1)
    classifier = conv(4, 5, total, (0.1, -20))
    for key in ("in_shape", "out_shape", "depthwise", "act"):
        del classifier[key]
    residual = {"x_scale": low[0], "x_zero": low[1], "y_scale": total[0], "y_zero": total[1]}
    return {
        "first_conv": conv(3, 4, image, low, kernel=3, size=8, stride=2),
        "blocks": [
            {
                "pointwise1": conv(4, 6, low, wide),
                "depthwise": conv(6, 6, wide, wide, kernel=3, groups=6),
                "pointwise2": conv(6, 4, wide, out),
                "residual": {"in_channel": 4, "in_shape": 4, "params": residual},
                "se": None,
            }
        ],
        "feature_mix": None,
        "classifier": classifier,
    }


def pickled(tree):
    """Pickles as the published files are: protocol 2, the module names of numpy 1."""
    data = pickle.dumps(tree, protocol=2)
    return data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def zipped(data, *, compression=zipfile.ZIP_STORED, member="archive/data.pkl"):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        file.writestr(member, data)
        file.writestr("archive/version", "3\n")
    return stream.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture
def read(folder):
    """Reads a checkpoint from the bytes of a file."""

    def run(content):
        path = folder / "small.pkl"
        path.write_bytes(content)
        return read_checkpoint(path)

    return run


@pytest.fixture
def refuse(read, folder):
    """Returns what a refused file is refused for; checks that the message names the file."""

    def run(content):
        with pytest.raises(ModelError) as caught:
            read(content)
        assert caught.value.where.startswith(str(folder / "small.pkl"))
        assert caught.value.hint
        return caught.value.what

    return run


# What is read is what was written.


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_field_arrives(read, compression):
    tree = network()
    checkpoint = read(zipped(pickled(tree), compression=compression))
    assert (checkpoint.name, checkpoint.resolution) == ("small", 8)
    assert checkpoint.feature_mix is None
    (block,) = checkpoint.blocks
    stored = tree["blocks"][0]
    pairs = [
        (checkpoint.first_conv, tree["first_conv"]),
        (block.pointwise1, stored["pointwise1"]),
        (block.depthwise, stored["depthwise"]),
        (block.pointwise2, stored["pointwise2"]),
        (checkpoint.classifier, tree["classifier"]),
    ]
    for layer, fields in pairs:
        params = fields["params"]
        assert (layer.in_channels, layer.out_channels) == (
            fields["in_channel"],
            fields["out_channel"],
        )
        assert (layer.kernel, layer.stride) == (fields["kernel_size"], fields["stride"])
        assert layer.groups == fields["groups"]
        for name in ("x_scale", "x_zero", "y_scale", "y_zero"):
            assert getattr(layer, name) == params[name]
        for name in ("weight", "bias", "w_scales"):
            array = getattr(layer, name)
            np.testing.assert_array_equal(array, params[name], strict=True)
            assert not array.flags.writeable
            assert array.flags.c_contiguous
    residual = block.residual
    assert (residual.channels, residual.x_scale, residual.x_zero) == (4, 0.05, -3)
    assert (residual.y_scale, residual.y_zero) == (0.06, 1)


def test_fortran_order_and_the_names_of_numpy_2(read):
    tree = network()
    weight = tree["first_conv"]["params"]["weight"]
    tree["first_conv"]["params"]["weight"] = np.asfortranarray(weight)
    data = pickle.dumps(tree, protocol=2)
    data = data.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    np.testing.assert_array_equal(read(zipped(data)).first_conv.weight, weight)


def test_absent_layers_and_feature_mix(read):
    tree = network()
    low, mixed = (0.05, -3), (0.07, 2)
    tree["blocks"] = [{"pointwise1": conv(4, 4, low, low), "se": None}]
    tree["feature_mix"] = conv(4, 4, low, mixed)
    tree["classifier"]["params"] |= {"x_scale": mixed[0], "x_zero": mixed[1]}
    checkpoint = read(zipped(pickled(tree)))
    assert checkpoint.feature_mix.y_scale == 0.07
    assert checkpoint.blocks[0].depthwise is None
    assert checkpoint.blocks[0].residual is None


@pytest.mark.parametrize(
    ("name", "blocks", "residuals", "features"),
    [("mcunet-5fps", 14, 7, 160), ("mbv2-w0.35", 17, 10, 112), ("proxyless-w0.3", 20, 13, 96)],
)
def test_published_checkpoints(name, blocks, residuals, features):
    path = PUBLISHED / f"{name}.pkl"
    if not path.is_file():
        pytest.skip("the published checkpoints are not here")
    checkpoint = read_checkpoint(path)
    assert (checkpoint.name, checkpoint.resolution) == (name, 128)
    assert len(checkpoint.blocks) == blocks
    assert sum(block.residual is not None for block in checkpoint.blocks) == residuals
    assert checkpoint.blocks[0].pointwise1 is None
    assert checkpoint.classifier.weight.shape == (1000, features, 1, 1)
    assert checkpoint.first_conv.x_scale == 1 / 127.5


# A network that is wrong in one field.


def at(tree, path):
    *parents, last = path.split(".")
    for key in parents:
        tree = tree[int(key)] if key.isdigit() else tree[key]
    return tree, last


WRONG = [
    ("blocks.0.se", {}, "squeeze-and-excitation is not supported"),
    ("blocks", [], "there are 0 blocks, outside 1..1024"),
    ("blocks", {}, "blocks is of type dict instead of list"),
    ("blocks", [None], "found NoneType instead of a dict of fields"),
    ("blocks", [{}], "the block has no convolution"),
    ("classifier", None, "found NoneType instead of a dict of fields"),
    ("first_conv.in_shape", 0, "in_shape is 0, outside 1..65536"),
    ("first_conv.in_channel", "3", "in_channel is of type str instead of int"),
    ("first_conv.stride", True, "stride is of type bool instead of int"),
    ("first_conv.stride", 4, "stride is 4, outside 1..3"),
    ("first_conv.groups", 3, "groups is 3; only depthwise convolutions are grouped"),
    ("first_conv.kernel_size", (3, 2), "kernel_size is not a tuple of two odd numbers"),
    ("first_conv.kernel_size", 3, "kernel_size is not a tuple of two odd numbers"),
    ("first_conv.act", "relu6", "act is set; the activation must be folded into the output range"),
    ("first_conv.depthwise", True, "depthwise is not False"),
    ("first_conv.out_shape", 5, "out_shape is 5 but stride 2 gives 4"),
    ("first_conv.dilation", 2, "the field 'dilation' is not known"),
    ("first_conv.params.w_zero", 1, "the field 'w_zero' is not known"),
    ("first_conv.params.x_zero", 128, "x_zero is 128, outside -128..127"),
    ("first_conv.params.y_scale", 0.0, "y_scale is 0.0, not a finite number above 0"),
    ("first_conv.params.y_scale", float("nan"), "y_scale is nan, not a finite number above 0"),
    ("first_conv.params.y_scale", 1, "y_scale is of type int instead of float"),
    ("first_conv.params.bias", [0] * 4, "bias is of type list instead of an array"),
    ("blocks.0.pointwise1.stride", 2, "stride is 2, outside 1..1"),
    ("blocks.0.pointwise1.in_channel", 5, "in_channel is 5 but the layer before it gives 4"),
    ("blocks.0.pointwise1.in_shape", 8, "in_shape is 8 but the layer before it gives 4"),
    (
        "blocks.0.pointwise1.kernel_size",
        (3, 3),
        "a pointwise convolution has kernel_size (1, 1) and stride 1",
    ),
    (
        "blocks.0.depthwise.groups",
        3,
        "a depthwise convolution has as many groups as channels, not 3 groups for 6 in and 6 out",
    ),
    (
        "blocks.0.pointwise1.params.x_scale",
        0.0500001,
        (
            "its input quantization is (scale 0.0500001, zero -3) but the layer before it gives "
            "(scale 0.05, zero -3)"
        ),
    ),
    (
        "blocks.0.residual.params.x_zero",
        -4,
        (
            "its input quantization is (scale 0.05, zero -4) but the layer before it gives "
            "(scale 0.05, zero -3)"
        ),
    ),
    ("blocks.0.residual.in_channel", 6, "in_channel is 6 but the layer before it gives 4"),
    (
        "first_conv.params.weight",
        np.zeros((4, 3, 3, 3), np.int32),
        "weight has dtype int32 instead of int8",
    ),
    (
        "first_conv.params.weight",
        np.zeros((4, 3, 3, 1), np.int8),
        "weight has shape (4, 3, 3, 1) instead of (4, 3, 3, 3)",
    ),
    (
        "first_conv.params.weight",
        np.full((4, 3, 3, 3), -128, np.int8),
        "weight holds -128; int8 weights are in -127..127",
    ),
    (
        "first_conv.params.w_scales",
        np.array([1, 1, np.inf, 1], np.float32),
        "w_scales holds a number that is not finite and above 0",
    ),
    (
        "first_conv.params.w_scales",
        np.zeros(4, np.float32),
        "w_scales holds a number that is not finite and above 0",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_wrong_fields_are_named(refuse, path, value, message):
    tree = network()
    parent, key = at(tree, path)
    parent[key] = value
    assert refuse(zipped(pickled(tree))) == message


def test_the_message_names_the_layer(read):
    tree = network()
    tree["blocks"][0]["depthwise"]["params"]["y_zero"] = 300
    with pytest.raises(ModelError) as caught:
        read(zipped(pickled(tree)))
    assert caught.value.where.endswith("small.pkl: blocks[0].depthwise.params")


@pytest.mark.parametrize("path", ["classifier", "first_conv.stride", "first_conv.params.bias"])
def test_missing_fields_are_named(refuse, path):
    tree = network()
    parent, key = at(tree, path)
    del parent[key]
    assert refuse(zipped(pickled(tree))) == f"the field {key!r} is missing"


def test_a_residual_over_a_changed_map_is_refused(refuse):
    tree = network()
    depthwise, pointwise = (tree["blocks"][0][key] for key in ("depthwise", "pointwise2"))
    depthwise |= {"stride": 2, "out_shape": 2}
    pointwise |= {"in_shape": 2, "out_shape": 2}
    assert refuse(zipped(pickled(tree))) == "it adds 4 channels of 4x4 to 4 channels of 2x2"


# Files that are no checkpoint, or that attack the reader.


class Shell:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_code_is_refused_by_name_and_not_run(refuse, folder, protocol):
    victim = folder / "victim"
    victim.touch()
    attack = {"first_conv": Shell(os.unlink, str(victim))}
    message = refuse(zipped(pickle.dumps(attack, protocol=protocol)))
    if protocol == 2:
        assert message == "the pickle asks for 'posix.unlink', which is refused" or os.name == "nt"
    assert "refused" in message or "opcode" in message
    assert victim.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x02cos\nsystem\n.", "the pickle asks for 'os.system', which is refused"),
        (b"\x80\x02cbuiltins\neval\n.", "the pickle asks for 'builtins.eval', which is refused"),
        (b"\x80\x02cnumpy\nload\n.", "the pickle asks for 'numpy.load', which is refused"),
        (
            b"\x80\x02c" + b"\x1b" * 99 + b"\nx\n.",
            "the pickle asks for " + ascii("\x1b" * 60) + ", which is refused",
        ),
        (b"\x80\x02(ios\nsystem\n.", "the pickle uses the opcode INST, which no checkpoint needs"),
        (b"\x80\x02Pid\n.", "the pickle uses the opcode PERSID, which no checkpoint needs"),
        (b"\x80\x02K\x01K\x02R.", "the pickle calls something that is no function"),
        (
            b"\x80\x02cnumpy\nndarray\n)R.",
            "the pickle calls something that is no function",
        ),
        (b"\x80\x02}K\x01b.", "the pickle sets the state of something that has none"),
        (b"\x80\x02}K\x01K\x02s.", "a dict in the pickle has a key that is not a string"),
        (b"\x80\x02", "the pickle inside is damaged"),
        (b"", "the pickle inside is damaged"),
        (b"\x80\x02.", "the pickle inside is damaged"),
        (b"\x80\x02\xff", "the pickle inside is damaged"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "the pickle inside is damaged"),
        (b"\x80\x02K\x01.", "found int instead of a dict of fields"),
        # The next two crash or starve the unpickler of the standard library.
        (b"\x80\x02})" + b"\x85" * 150_000 + b"K\x01s.", "a dict in the pickle has a key that is"),
        (b"\x80\x02}r\xff\xff\xff\xff.", "the field 'first_conv' is missing"),
        (b"\x80\x02" + b"N" * 200_000 + b".", "the pickle has more than 200000 opcodes"),
    ],
)
def test_hostile_pickles(refuse, data, message):
    assert refuse(zipped(data)).startswith(message)


def with_array(array):
    tree = network()
    tree["first_conv"]["params"]["bias"] = array
    return pickled(tree)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([None]), "an array has the dtype 'O8'; allowed are i1, i4, i8, f4, f8"),
        (np.zeros(4, np.complex64), "an array has the dtype 'c8'; allowed are i1, i4, i8, f4, f8"),
        (np.zeros(4, ">i4"), "an array is not little-endian"),
        (np.zeros((), np.int32), "an array's shape is not 1 to 4 positive sizes"),
        (np.zeros((1,) * 5, np.int32), "an array's shape is not 1 to 4 positive sizes"),
    ],
)
def test_unusual_arrays(refuse, array, message):
    assert refuse(zipped(with_array(array))) == message


def array_pickle(shape, content):
    """A pickle of one int8 array whose shape need not fit its content."""
    text = content.decode("latin1").encode()
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85K\x00\x87R"
        b"(K\x01" + shape + b"cnumpy\ndtype\nX\x02\x00\x00\x00i1K\x00K\x01\x87R"
        b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"c_codecs\nencode\nX" + struct.pack("<I", len(text)) + text + b"X\x06\x00\x00\x00latin1"
        b"\x86Rtb."
    )


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (b"K\x05\x85", "an array of shape (5,) needs 5 bytes but has 4"),
        (b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", "an array of shape (2147483647, 2147483647)"),
        (b"K\x00\x85", "an array's shape is not 1 to 4 positive sizes"),
        (b"J\xff\xff\xff\xff\x85", "an array's shape is not 1 to 4 positive sizes"),
        (b"N", "an array's shape is not 1 to 4 positive sizes"),
        (b"K\x04\x85", "found StoredArray instead of a dict of fields"),
    ],
)
def test_array_sizes_must_match(refuse, shape, message):
    assert refuse(zipped(array_pickle(shape, b"\x00\x80\xff\x01"))).startswith(message)


def test_one_string_cannot_become_many_arrays(refuse, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1024 * 1024)
    text = b"X" + struct.pack("<I", 500_000) + b"a" * 500_000 + b"q\x00"
    encode = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    data = b"\x80\x02" + text + encode * 10 + b"."
    assert refuse(zipped(data)) == "the content of the arrays is larger than 1 MB"


def test_bombs_are_refused_before_they_are_unpacked(refuse, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1024 * 1024)
    bomb = zipped(bytes(1024 * 1024 + 1), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10_000
    assert refuse(bomb) == "data.pkl unpacked is larger than 1 MB"
    assert refuse(bytes(1024 * 1024 + 1)) == "the file is larger than 1 MB"


def test_a_bomb_that_lies_about_its_size(refuse):
    bomb = zipped(bytes(10_000_000), compression=zipfile.ZIP_DEFLATED)
    lying = bomb.replace(struct.pack("<I", 10_000_000), struct.pack("<I", 100))
    assert lying != bomb
    assert refuse(lying) == "this is no checkpoint: not a readable zip archive"


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a zip", zipped(pickled(network()))[:-10], pickled(network())],
)
def test_what_is_no_zip_archive(refuse, content):
    assert refuse(content) == "this is no checkpoint: not a readable zip archive"


def test_members(refuse):
    other = zipped(b"", member="archive/other.pkl")
    assert refuse(other) == "the archive has 0 members named data.pkl instead of one"
    packed = zipped(pickled(network()), compression=zipfile.ZIP_BZIP2)
    assert refuse(packed) == "data.pkl is packed in an unusual way"


def test_missing_file_and_folder(folder):
    for path in (folder / "absent.pkl", folder):
        with pytest.raises(ModelError) as caught:
            read_checkpoint(path)
        assert caught.value.what == "there is no such file"


# Whatever bytes come, the answer is a checkpoint or a ModelError.

PICKLE = pickled(network())
FUZZ = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)


def mutated(data, draw):
    content = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, len(content) - 1))
        match draw(st.sampled_from(["set", "delete", "insert", "copy"])):
            case "set":
                content[position] = draw(st.integers(0, 255))
            case "delete":
                del content[position : position + draw(st.integers(1, 20))]
            case "insert":
                content[position:position] = draw(st.binary(min_size=1, max_size=8))
            case "copy":
                source = draw(st.integers(0, max(0, len(content) - 1)))
                content[position:position] = content[source : source + 40]
        content = content or bytearray(b"x")
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


def survives(read, content):
    text = ""
    try:
        read(content)
    except ModelError as error:
        text = str(error)
    assert text.replace("\n  hint", "").isprintable()


@FUZZ
@given(data=st.data())
def test_fuzzed_pickles(read, data):
    survives(read, zipped(mutated(PICKLE, data.draw)))


@FUZZ
@given(data=st.data())
def test_fuzzed_archives(read, data):
    deflated = zipped(PICKLE, compression=zipfile.ZIP_DEFLATED)
    survives(read, mutated(deflated, data.draw))


@FUZZ
@given(opcodes=st.lists(st.sampled_from([bytes([b]) for b in b"}]()tNK\x85\x86\x87RbsuaeqhX.("])))
def test_random_programs(read, opcodes):
    survives(read, zipped(b"\x80\x02" + b"".join(opcodes) + b"."))
