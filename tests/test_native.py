"""kilograd's own model files: what is read, and what is refused in words."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd.compiler import compile_model
from kilograd.device.protocol import LearningRate
from kilograd.device.reference import ReferenceDevice
from kilograd.errors import ModelError
from kilograd.frontend import native
from kilograd.frontend.native import load_native, native_classes
from kilograd.measuring.equivalence import verify_devices
from kilograd.scheme import layers, load_scheme
from kilograd.targets import get_target
from networks import INPUT_SCALE, LAYERS, WEIGHTED, native_model

ROOT = "blocks.0.pointwise1"


@pytest.fixture
def refused(tmp_path):
    """The message about a model, or about the bytes of a file."""

    def load(model):
        path = tmp_path / "m.npz"
        if isinstance(model, bytes):
            path.write_bytes(model)
        else:
            model.write(path)
        with pytest.raises(ModelError) as caught:
            load_native(path)
        assert caught.value.where
        return str(caught.value)

    return load


def test_every_layer_arrives(tmp_path):
    model = native_model(height=40, width=56)
    graph = load_native(model.write(tmp_path / "m.npz"))
    assert graph.name == "tiny"
    assert graph.inputs[0].type.shape == (40, 56, 3)
    assert graph.inputs[0].type.scale == INPUT_SCALE
    assert [node.name for node in graph.nodes] == [name for name, *_ in LAYERS] + ["pool", "head"]
    assert layers(graph) == list(WEIGHTED)
    assert graph.type_of("stem").shape == (20, 28, 7)
    assert graph.type_of("blocks.1.pointwise2").shape == (10, 14, 9)
    assert graph.type_of(graph.outputs[0]).shape == (4,)
    join = next(node for node in graph.nodes if node.operator == "add")
    assert join.inputs == ("stem", "blocks.0.pointwise2")
    for name, kind, *_ in LAYERS:
        if kind == "add":
            continue
        stored = graph.values[f"{name}.weight"]
        given = model.arrays[f"{name}.weight"]
        assert np.array_equal(stored.array, stored_order(kind, given))
        assert np.array_equal(graph.values[f"{name}.bias"].array, model.arrays[f"{name}.bias"])
        assert stored.type.scales == tuple(model.arrays[f"{name}.w_scales"].astype(float))
        output = graph.type_of(name).quantization
        entry = model.layer(name)
        assert (output.scale, output.zero_point) == (entry["y_scale"], entry["y_zero"])


def stored_order(kind, weight):
    if kind == "conv":
        return weight.transpose(0, 2, 3, 1)
    return weight[:, 0].transpose(1, 2, 0) if kind == "depthwise" else weight[:, :, 0, 0]


def test_windows_need_not_be_square(tmp_path):
    model = native_model(height=12, width=5)
    model.layer("stem")["kernel"] = [3, 1]
    model.arrays["stem.weight"] = model.arrays["stem.weight"][..., 1:2]
    graph = load_native(model.write(tmp_path / "m.npz"))
    window = graph.nodes[0].attributes.window
    assert (window.height, window.width, window.top, window.left) == (3, 1, 1, 0)
    assert graph.type_of("stem").shape == (6, 3, 7)


def test_a_model_may_name_its_classes(tmp_path):
    model = native_model()
    path = model.write(tmp_path / "m.npz")
    assert native_classes(path) == ()
    model.structure["classes"] = ["a", "b", "c", "d"]
    assert native_classes(model.write(path)) == ("a", "b", "c", "d")
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match="this is not a model of kilograd"):
        native_classes(path)


def test_a_fresh_head_replaces_that_of_the_file(tmp_path):
    path = native_model().write(tmp_path / "m.npz")
    graph = load_native(path, 7)
    assert graph.type_of(graph.outputs[0]).shape == (7,)
    for name, shape in (("head.weight", (7, 9)), ("head.bias", (7,))):
        assert np.array_equal(graph.values[name].array, np.zeros(shape))
    assert graph == load_native(path, 7)


CHANGES = {
    "missing weight": (lambda m: m.arrays.pop(f"{ROOT}.weight"), f"has no array {ROOT}.weight"),
    "missing head": (lambda m: m.arrays.pop("head.bias"), "the file has no array head.bias"),
    "missing scales": (lambda m: m.arrays.pop("stem.w_scales"), "has no array stem.w_scales"),
    "no layers": (lambda m: m.structure.pop("layers"), "KeyError: 'layers'"),
    "no input": (lambda m: m.structure.pop("input"), "KeyError: 'input'"),
    "no kernel": (lambda m: m.layer("stem").pop("kernel"), "KeyError: 'kernel'"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_missing_parts(refused, what):
    change, message = CHANGES[what]
    model = native_model()
    change(model)
    assert message in refused(model)


ARRAYS = {
    "float weight": ("stem.weight", lambda a: a / 1, "stem.weight is float64, not int8"),
    "uint8 weight": ("stem.weight", lambda a: a.view(np.uint8), "stem.weight is uint8, not int8"),
    "int64 bias": ("stem.bias", lambda a: a.astype(np.int64), "stem.bias is int64, not int32"),
    "big-endian": ("stem.bias", lambda a: a.astype(">i4"), "stem.bias is >i4, not int32"),
    "double scales": ("stem.w_scales", lambda a: a / np.float64(1), "is float64, not float32"),
    "-128": ("stem.weight", lambda a: a * 0 - np.int8(-128), "stem.weight holds -128"),
    "short bias": ("stem.bias", lambda a: a[:-1], "shapes ((7, 3, 3, 3), (6,), (7,)) do not fit"),
    "short scales": ("stem.w_scales", lambda a: a[:-1], "stem: weight, bias and w_scales of"),
    "flat weight": ("stem.weight", lambda a: a.ravel(), "stem: weight, bias and w_scales of"),
    "single weight": ("head.weight", lambda a: a[0, 0], "head: weight, bias and w_scales of"),
    "no weight": ("blocks.0.depthwise.weight", lambda a: a[:0], "blocks.0.depthwise: weight, bias"),
    "two filters": ("blocks.0.depthwise.weight", lambda a: np.repeat(a, 2, 1), "do not fit"),
    "channels": (f"{ROOT}.weight", lambda a: a[:, :-1], f"layer {ROOT}: weights must have"),
    "NaN scale": ("stem.w_scales", lambda a: a * np.nan, "stem: its weight scales must lie"),
    "zero scale": ("stem.w_scales", lambda a: a * 0, "stem: its weight scales must lie"),
    "negative scale": ("stem.w_scales", lambda a: -a, "stem: its weight scales must lie"),
    "infinite scale": ("stem.w_scales", lambda a: a + np.inf, "stem: its weight scales must lie"),
    "tiny scale": ("stem.w_scales", lambda a: a * np.float32(1e-30), "its weight scales must lie"),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_wrong_arrays(refused, what):
    name, change, message = ARRAYS[what]
    model = native_model()
    model.arrays[name] = change(model.arrays[name])
    assert message in refused(model)


FIELDS = {
    "kind": ("stem", {"kind": "lstm"}, "layer stem is of unknown kind 'lstm'\n  hint: known: conv"),
    "kind type": ("stem", {"kind": ["conv"]}, "unknown kind ['conv']"),
    "zero point": ("stem", {"y_zero": 128}, "a zero point must be a whole number from -128 to 127"),
    "real zero": ("stem", {"y_zero": 1.5}, "a zero point must be a whole number"),
    "scale": ("stem", {"y_scale": -1}, "scales must be finite and positive"),
    "NaN": ("stem", {"y_scale": float("nan")}, "scales must be finite and positive"),
    "scale type": ("stem", {"y_scale": None}, "TypeError"),
    "tiny output": ("stem", {"y_scale": 1e-20}, "layer stem: a result's scale is"),
    "kernel": ("stem", {"kernel": 5}, "layer stem: weights must have"),
    "huge kernel": (
        "stem",
        {"kernel": 10**9},
        "stem: kernel must be a whole number from 1 to 4096",
    ),
    "real kernel": ("stem", {"kernel": [3, 2.5]}, "stem: kernel must be a whole number"),
    "no stride": ("stem", {"stride": 0}, "stem: stride must be a whole number from 1 to 4096"),
    "real stride": ("stem", {"stride": 1.9}, "stem: stride must be a whole number from 1 to 4096"),
    "stride of text": ("stem", {"stride": "1"}, "stem: stride must be a whole number"),
    "join": ("blocks.0.pointwise2", {"kind": "add"}, "add"),
    "twice": (
        "blocks.0.add",
        {"name": "stem"},
        "'stem' is not a valid name for a layer, or is taken",
    ),
    "taken": ("stem", {"name": "input"}, "'input' is not a valid name for a layer, or is taken"),
    "name": ("stem", {"name": "a*/ int x; /*"}, "is not a valid name for a layer"),
    "digit": ("stem", {"name": "0"}, "'0' is not a valid name for a layer"),
    "number": ("stem", {"name": 7}, "7 is not a valid name for a layer"),
    "long": ("stem", {"name": "a" * 65}, "is not a valid name for a layer"),
}


@pytest.mark.parametrize("what", FIELDS)
def test_wrong_fields(refused, what):
    layer, fields, message = FIELDS[what]
    model = native_model()
    model.layer(layer).update(fields)
    assert message in refused(model)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"height": 0}, "height must be a whole number from 1 to 4096"),
        ({"width": 10**12}, "width must be a whole number from 1 to 4096"),
        ({"channels": 2.5}, "channels must be a whole number from 1 to 4096"),
        ({"zero_point": -129}, "a zero point must be a whole number"),
        ({"scale": float("inf")}, "scales must be finite and positive"),
        ({"channels": 5}, "layer stem: weights must have"),
    ],
)
def test_wrong_inputs(refused, fields, message):
    model = native_model()
    model.structure["input"].update(fields)
    assert message in refused(model)


@pytest.mark.parametrize(
    "name", ["", "x */ __attribute__((constructor)) void f(void){} /*", "a\nb"]
)
def test_a_name_cannot_write_c(refused, name):
    """The model's name stands in a comment of the sources, which are compiled and loaded."""
    model = native_model()
    model.structure["name"] = name
    assert "the model's name must be letters, digits, dots and dashes" in refused(model)


@pytest.mark.parametrize("structure", ["null", "[]", "3", '"x"', "{", "[" * 100_000, "Infinity"])
def test_wrong_structures(refused, structure):
    model = native_model()
    model.arrays["structure"] = np.array(structure)
    stream = io.BytesIO()
    np.savez(stream, **model.arrays)
    assert "this is not a model of kilograd" in refused(stream.getvalue())


def test_a_pack_of_samples_is_told_from_a_model(refused):
    stream = io.BytesIO()
    np.savez(stream, inputs=np.zeros((2, 1, 1, 3), np.int8), labels=np.zeros(2, np.int32))
    message = "this is a pack of samples, and no model\n  hint: name the model first"
    assert message in refused(stream.getvalue())


@pytest.mark.parametrize("name", ["stem.bias", "stem.weight"])
def test_a_layer_called_as_a_parameter(refused, name):
    model = native_model()
    model.layer("blocks.0.depthwise")["name"] = name
    for part in ("weight", "bias", "w_scales"):
        model.arrays[f"{name}.{part}"] = model.arrays[f"blocks.0.depthwise.{part}"]
    text = f"layer {name}: another layer, or a parameter of one, is called {name}"
    assert text in refused(model)


class Bomb:
    def __reduce__(self):
        return (print, ("executed",))


def test_pickled_arrays_are_refused_and_not_run(refused, capsys):
    model = native_model()
    model.arrays["stem.weight"] = np.array([Bomb()], object)
    assert "'stem.weight' holds Python objects, which are not read" in refused(model)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("part", [0, 1, 2, 10, 500, -1, -30, -400])
def test_truncated_files(refused, tmp_path, part):
    data = native_model().write(tmp_path / "m.npz").read_bytes()
    assert "hint: models are made by the scripts in pretraining/" in refused(data[:part])


def test_headers_that_promise_more_than_there_is(refused):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        header = io.BytesIO()
        description = {"descr": "|i1", "fortran_order": False, "shape": (1 << 60,)}
        np.lib.format.write_array_header_1_0(header, description)
        archive.writestr("structure.npy", header.getvalue() + b"abc")
    assert "this is not a model of kilograd" in refused(stream.getvalue())


def test_bombs_are_refused_before_they_are_unpacked(refused, monkeypatch):
    monkeypatch.setattr(native, "_MAX_BYTES", 1000)
    assert "the arrays unpack to more than 1,000 bytes" in refused(native_model())


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "no.npz", tmp_path):
        with pytest.raises(ModelError, match="this is not a model of kilograd"):
            load_native(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("native")


def survives(path):
    """Reading gives a `ModelError` or a graph that compiles and runs."""
    try:
        graph = load_native(path)
    except ModelError:
        return
    if sum(value.type.size for value in graph.values.values()) > 200_000:
        return
    device = ReferenceDevice(
        compile_model(graph, load_scheme("last:2", graph), get_target("cortex-m7"))
    )
    sample = np.ones(graph.inputs[0].type.shape, np.int8)
    device.train_step(sample, 1, LearningRate.from_float(0.1))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_fuzzed_bytes(folder, data):
    path = native_model(height=6, width=6).write(folder / "m.npz")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    survives(path)


NUMBERS = st.sampled_from([0, 1, -1, 2, 3, 127, -128, 1e-30, 1e30, 1 << 40, 0.5]) | st.floats()
JSON = NUMBERS | st.none() | st.text(max_size=5) | st.lists(NUMBERS, max_size=2)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_fuzzed_structures(folder, data):
    model = native_model(height=6, width=6)
    places = [model.structure["input"], model.structure, *model.structure["layers"]]
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(places))
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    json.dumps(model.structure)
    survives(model.write(folder / "s.npz"))


@pytest.mark.thorough
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_fuzzed_numbers(folder, data):
    model = native_model(height=6, width=6)
    name = data.draw(st.sampled_from(sorted(model.arrays)))
    array = model.arrays[name]
    numbers = st.floats(width=32) if array.dtype.kind == "f" else st.integers(-128, 127)
    if array.dtype == np.int32:
        numbers = st.integers(-(2**31), 2**31 - 1)
    array.ravel()[data.draw(st.integers(0, array.size - 1))] = data.draw(numbers)
    survives(model.write(folder / "n.npz"))


@pytest.mark.parametrize("name", ["int", "prefix", "memcpy"])
def test_layers_may_be_called_anything(tmp_path, name):
    model = native_model()
    model.layer("stem")["name"] = name
    for part in ("weight", "bias", "w_scales"):
        model.arrays[f"{name}.{part}"] = model.arrays.pop(f"stem.{part}")
    graph = load_native(model.write(tmp_path / "m.npz"))
    program = compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"))
    assert verify_devices(program, ["reference", "host"], steps=1).identical
