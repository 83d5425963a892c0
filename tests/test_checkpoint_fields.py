"""Every field of a checkpoint arrives, and a wrong field is named."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from checkpoint_files import conv, network, pickled, read_in, refused, zipped
from kilograd.errors import ModelError
from kilograd.frontend.checkpoint import read_checkpoint

PUBLISHED = Path(__file__).parents[2] / "shared" / "models"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_field_arrives(tmp_path, compression):
    tree = network()
    checkpoint = read_in(tmp_path, zipped(pickled(tree), compression=compression))
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


def test_fortran_order_and_the_names_of_numpy_2(tmp_path):
    tree = network()
    weight = tree["first_conv"]["params"]["weight"]
    tree["first_conv"]["params"]["weight"] = np.asfortranarray(weight)
    data = pickle.dumps(tree, protocol=2)
    data = data.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    np.testing.assert_array_equal(read_in(tmp_path, zipped(data)).first_conv.weight, weight)


def test_absent_layers_and_feature_mix(tmp_path):
    tree = network()
    low, mixed = (0.05, -3), (0.07, 2)
    tree["blocks"] = [{"pointwise1": conv(4, 4, low, low), "se": None}]
    tree["feature_mix"] = conv(4, 4, low, mixed)
    tree["classifier"]["params"] |= {"x_scale": mixed[0], "x_zero": mixed[1]}
    checkpoint = read_in(tmp_path, zipped(pickled(tree)))
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
def test_wrong_fields_are_named(tmp_path, path, value, message):
    tree = network()
    parent, key = at(tree, path)
    parent[key] = value
    assert refused(tmp_path, zipped(pickled(tree))) == message


def test_the_message_names_the_layer(tmp_path):
    tree = network()
    tree["blocks"][0]["depthwise"]["params"]["y_zero"] = 300
    with pytest.raises(ModelError) as caught:
        read_in(tmp_path, zipped(pickled(tree)))
    assert caught.value.where.endswith("small.pkl: blocks[0].depthwise.params")


@pytest.mark.parametrize("path", ["classifier", "first_conv.stride", "first_conv.params.bias"])
def test_missing_fields_are_named(tmp_path, path):
    tree = network()
    parent, key = at(tree, path)
    del parent[key]
    assert refused(tmp_path, zipped(pickled(tree))) == f"the field {key!r} is missing"


def test_a_residual_over_a_changed_map_is_refused(tmp_path):
    tree = network()
    depthwise, pointwise = (tree["blocks"][0][key] for key in ("depthwise", "pointwise2"))
    depthwise |= {"stride": 2, "out_shape": 2}
    pointwise |= {"in_shape": 2, "out_shape": 2}
    what = refused(tmp_path, zipped(pickled(tree)))
    assert what == "it adds 4 channels of 4x4 to 4 channels of 2x2"
