"""kilograd quantize, from a float network to one that kilograd trains."""

import numpy as np
import onnx
import pytest
from float_files import FloatDraft, float_network
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from kilograd.errors import DataError, ModelError
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.open import input_spec, load_model
from kilograd.ir import LabelKind
from kilograd.quantization import (
    PixelRange,
    quantize_network,
    read_float_network,
    read_samples,
)
from kilograd.quantization import quantize as module

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Bright and dark pictures, in a folder for each class."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(3)
    for name, level in (("bright", 190), ("dark", 70)):
        (root / name).mkdir()
        for number in range(16):
            pixels = np.clip(rng.normal(level, 25, (10, 12, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02}.png")
    return root


@pytest.fixture
def network(tmp_path):
    return float_network().write(tmp_path / "float.onnx")


def real_pack(path, count=24, **changes):
    rng = np.random.default_rng(4)
    inputs = rng.normal(0, 1, (count, 8, 8, 3)).astype(np.float32)
    arrays = {"inputs": inputs, "labels": np.arange(count) % 2} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_a_float_network_becomes_one_that_kilograd_trains(kilograd, network, images, tmp_path):
    made = tmp_path / "int8.onnx"
    found = kilograd("quantize", network, "--calibration", images, "-o", made, "--json").json
    assert found["layers"] == 6
    assert found["calibration_samples"] == 24
    assert found["compared_samples"] == 8
    assert found["pixel_range"] == [-1, 1]
    assert found["bytes"] == made.stat().st_size
    assert abs(found["accuracy_before"] - found["accuracy_after"]) <= 1 / 8
    graph = load_model(str(made))
    names = [node.layer for node in graph.nodes]
    assert names[:3] == ["stem", "depth", "project"]
    assert input_spec(graph).shape == (8, 8, 3)
    notes = {entry.key: entry.value for entry in onnx.load(str(made)).metadata_props}
    assert notes["kilograd.pixel_range"] == "-1.0,1.0"
    assert graph.pixel_range == (-1, 1)
    trained = kilograd("train", made, "--data", images, "--json").json
    assert trained["scheme"] == "head"


def test_what_is_printed(kilograd, network, images, tmp_path):
    made = tmp_path / "int8.onnx"
    outcome = kilograd("quantize", network, "--calibration", images, "-o", made)
    assert "accuracy on 8 test samples: " in outcome.err
    assert f"{made}: 6 layers, " in outcome.err


def test_pictures_without_classes_calibrate_as_well(kilograd, network, images, tmp_path):
    made = tmp_path / "int8.onnx"
    given = images / "dark"
    found = kilograd(
        "quantize", network, "--calibration", given, "-o", made, "--limit", 5, "--json"
    ).json
    assert found["calibration_samples"] == 5
    assert found["compared_samples"] == 16
    assert "accuracy_before" not in found
    outcome = kilograd("quantize", network, "--calibration", given, "-o", made)
    assert "same class as before on " in outcome.err


def test_classes_that_are_not_the_networks_have_no_accuracy(kilograd, images, tmp_path):
    path = float_network(classes=5).write(tmp_path / "float.onnx")
    made = tmp_path / "int8.onnx"
    found = kilograd("quantize", path, "--calibration", images, "-o", made, "--json").json
    assert "accuracy_before" not in found
    assert found["same_class"] > 0.5


def test_samples_that_are_made_again_have_errors(kilograd, tmp_path):
    """A network with as many outputs as a sample has elements, and a convolution at its end."""
    draft = FloatDraft()
    draft.conv("narrow", (4, 3, 3, 3))
    draft.add("Relu")
    draft.conv("wide", (3, 4, 3, 3))
    path, made = draft.write(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    pack = real_pack(tmp_path / "real.npz", labels=None)
    arguments = ("quantize", path, "--calibration", pack, "-o", made)
    found = kilograd(*arguments, "--json").json
    before, after = (found[f"reconstruction_error_{when}"] for when in ("before", "after"))
    assert before > 0.1
    assert after == pytest.approx(before, rel=0.02)
    assert "same_class" not in found
    assert "mean error of what is made again, on 24 samples: " in kilograd(*arguments).err
    assert load_model(str(made)).label_kind is LabelKind.ANOMALY


def test_values_have_errors(kilograd, tmp_path):
    path = float_network(classes=1).write(tmp_path / "float.onnx")
    made, pack = tmp_path / "int8.onnx", tmp_path / "values.npz"
    arrays = dict(np.load(real_pack(tmp_path / "real.npz", split=np.arange(24) // 12)))
    del arrays["labels"]
    arguments = ("quantize", path, "--calibration", pack, "-o", made)
    np.savez(pack, **arrays)
    found = kilograd(*arguments, "--json").json
    low, high = found["output_range"]
    assert 0 < found["mean_difference"] < (high - low) / 20
    assert "same_class" not in found
    assert " from what it was on average, on 12 samples, " in kilograd(*arguments).err

    np.savez(pack, **arrays, values=np.full(24, low))
    found = kilograd(*arguments, "--json").json
    assert abs(found["error_after"] - found["error_before"]) <= found["mean_difference"]
    assert "mean error on 12 test samples: " in kilograd(*arguments).err


def test_another_dataset_may_be_compared_on(kilograd, network, images, tmp_path):
    pack = real_pack(tmp_path / "real.npz", split=np.arange(24) // 12)
    made = tmp_path / "int8.onnx"
    found = kilograd(
        *("quantize", network, "--calibration", images, "-o", made, "--data", pack),
        *("--test-limit", 7, "--json"),
    ).json
    assert found["compared_samples"] == 7
    assert "accuracy_after" in found


def test_the_file_says_what_pixels_stand_for(kilograd, network, images, tmp_path):
    made = tmp_path / "int8.onnx"
    arguments = ("quantize", network, "--calibration", images, "-o", made, "--json")
    found = kilograd(*arguments, "--input-range", "0,1").json
    assert found["pixel_range"] == [0, 1]
    assert found["layers"] == 6
    graph = load_model(str(made))
    assert graph.pixel_range == (0, 1)
    assert graph.inputs[0].type.zero_point == -128
    calibrated = read_samples(images, Map((1, 3, 8, 8)), 99, pixel_range=(0, 1)).inputs.max()
    assert graph.inputs[0].type.scale == pytest.approx(calibrated / 255, rel=1e-3)
    model = onnx.load(str(made))
    model.metadata_props[-1].value = "1,0"
    made.write_bytes(model.SerializeToString())
    with pytest.raises(
        ModelError, match=r"kilograd\.pixel_range is 1,0, not two numbers that rise"
    ):
        load_model(str(made))


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 8, 8, 3)])
def test_pixels_that_differ_between_channels_have_a_layer(kilograd, images, tmp_path, shape):
    """Such a network reads -1 to 1, and says the same as the one behind the layer."""
    draft = FloatDraft(shape)
    if shape[-1] == 3:
        draft.add("Transpose", perm=(0, 3, 1, 2))
    draft = float_network(draft=draft)
    path, made = draft.write(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    arguments = ("quantize", path, "--calibration", images, "-o", made, "--json")
    text = "0,1,-2,2.5,0,255"
    found = kilograd(*arguments, "--input-range", text).json
    assert found["pixel_range"] == [-1, 1]
    assert found["layers"] == 7
    assert found["same_class"] > 0.8
    graph = load_model(str(made))
    assert (graph.nodes[0].layer, graph.nodes[0].operator) == ("pixels", "depthwise")
    assert graph.pixel_range == (-1, 1)
    network = read_float_network(path)
    behind = network.with_pixels(PixelRange.parse(text))
    usual = read_samples(images, network.map, 4).as_read(network.map)
    low, high = np.array([0, -2, 0]), np.array([1, 2.5, 255])
    shaped = (-1, 1, 1) if shape[1] == 3 else (3,)
    real = (usual + 1) / 2 * (high - low).reshape(shaped) + low.reshape(shaped)
    expected = network.predict(real.astype(np.float32))
    assert np.allclose(behind.predict(usual), expected, rtol=1e-4, atol=1e-3)


def test_bad_input_leaves_no_file(kilograd, network, images, tmp_path):
    made = tmp_path / "int8.onnx"
    common = ("--calibration", images, "-o", made)
    kilograd("quantize", tmp_path / "none.onnx", *common).refused("there is no such file")
    (tmp_path / "text.onnx").write_text("nothing")
    kilograd("quantize", tmp_path / "text.onnx", *common).refused(
        "this is not an .onnx file that can be read: ",
        "PyTorch makes one with torch.onnx.export; networks of TensorFlow need none, since its",
    )
    kilograd("quantize", network, "--calibration", tmp_path / "no", "-o", made).refused(
        "there is no such file or folder"
    )
    for text in ("1", "a,b", "1,0", "nan,1", "0,inf", "0,1,2", "0,1,0,1"):
        kilograd("quantize", network, *common, "--input-range", text).refused("--input-range: ")
    pack = real_pack(tmp_path / "real.npz")
    kilograd(
        "quantize", network, "--calibration", pack, "-o", made, "--input-range", "0,1"
    ).refused("--input-range: the samples are real numbers")
    kilograd("quantize", network, "--calibration", images, "-o", tmp_path / "x.tflite").refused(
        "--output: x.tflite does not end in .onnx"
    )
    assert not made.exists()


def test_a_layer_that_kilograd_cannot_carry_is_named(kilograd, images, tmp_path):
    draft = FloatDraft()
    draft.conv("stem", (4, 3, 3, 3))
    draft.add("Sinh")
    draft.add("AveragePool", kernel_shape=[8, 8])
    draft.add("Flatten")
    draft.add("Gemm", *draft.parameters((2, 4), "head"), transB=1)
    path, made = draft.write(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    outcome = kilograd("quantize", path, "--calibration", images, "-o", made)
    outcome.refused("quantized, this network has a layer that kilograd cannot carry: node ", "Sinh")
    assert not made.exists()


def refused(path):
    with pytest.raises(ModelError) as error:
        read_float_network(path)
    assert error.value.where == str(path)
    return str(error.value)


def test_networks_that_are_not_quantized(network, tmp_path):
    assert "it uses version 28 of ONNX's" in refused(
        float_network().write(tmp_path / "new.onnx", opset=28)
    )
    assert "the network has 1 inputs and 2 outputs" in refused(
        float_network().write(tmp_path / "two.onnx", outputs=2)
    )
    assert "the network's input image has the shape [4, 3, 8, 8]" in refused(
        float_network(batch=4).write(tmp_path / "batch.onnx")
    )
    draft = FloatDraft((1, 3, "height", 8))
    draft.add("Relu")
    assert "the network's input image has an open shape" in refused(
        draft.write(tmp_path / "open.onnx")
    )
    content = quantize_network(read_float_network(network), np.zeros((2, 1, 3, 8, 8), np.float32))
    (tmp_path / "int8.onnx").write_bytes(content)
    assert "this network is quantized already" in refused(tmp_path / "int8.onnx")


def test_the_batch_may_be_open(tmp_path):
    network = read_float_network(float_network(batch="batch").write(tmp_path / "open.onnx"))
    assert network.map == Map((1, 3, 8, 8))
    assert network.predict(np.zeros((3, 1, 3, 8, 8), np.float32)).shape == (3, 2)


@pytest.mark.parametrize("opset", [9, 11, 12])
def test_older_operators_become_newer_ones(opset, tmp_path):
    draft = float_network()
    if opset < 11:  # what later became inputs
        for node in draft.nodes:
            values = {"Pad": {"pads": [0, 0, 0, 0, 0, 0, 1, 1]}, "Clip": {"min": 0.0, "max": 6.0}}
            if node.op_type in values:
                del node.input[1:]
                given = values[node.op_type].items()
                node.attribute.extend(helper.make_attribute(*item) for item in given)
    older = read_float_network(draft.write(tmp_path / "old.onnx", opset=opset))
    newer = read_float_network(float_network().write(tmp_path / "new.onnx"))
    samples = np.random.default_rng(1).uniform(-1, 1, (6, 1, 3, 8, 8)).astype(np.float32)
    assert np.allclose(older.predict(samples), newer.predict(samples), atol=1e-5)
    path = tmp_path / "int8.onnx"
    path.write_bytes(quantize_network(older, samples))
    assert load_model(str(path)).nodes[0].layer == "stem"


def test_older_operators_that_onnx_does_not_know(tmp_path):
    draft = float_network()
    draft.add("Nonsense")
    with pytest.raises(ModelError) as error:
        read_float_network(draft.write(tmp_path / "old.onnx", opset=11))
    assert "it uses version 11 of ONNX's operators, which onnx cannot turn" in error.value.what
    assert error.value.hint == "export the network with an opset of 13 or more"


def test_weights_may_lie_beside_the_file(tmp_path):
    path = float_network().write(tmp_path / "float.onnx")
    whole = read_float_network(path)
    onnx.save(
        onnx.load(str(path)), str(tmp_path / "apart.onnx"), save_as_external_data=True,
        location="apart.data", size_threshold=0,
    )  # fmt: skip
    apart = read_float_network(tmp_path / "apart.onnx")
    sample = np.ones((1, 1, 3, 8, 8), np.float32)
    assert np.array_equal(whole.predict(sample), apart.predict(sample))


def test_weights_are_symmetric_and_leave_the_lowest_number_out(network):
    samples = np.random.default_rng(1).normal(size=(9, 1, 3, 8, 8)).astype(np.float32)
    model = onnx.load_from_string(quantize_network(read_float_network(network), samples))
    data = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    weights = [name for name in data if name.endswith("weight_quantized")]
    assert len(weights) == 4
    for name in weights:
        assert data[name].min() >= -127
        assert np.abs(data[name]).max() == 127
        stem = name.removesuffix("_quantized")
        assert not data[f"{stem}_zero_point"].any()


def test_pixels_stand_for_numbers_from_minus_one_to_one(tmp_path):
    for name, pixels in (("a", [0, 255]), ("b", [128, 51])):
        (tmp_path / name).mkdir()
        for number, pixel in enumerate(pixels):
            Image.new("RGB", (4, 4), (pixel,) * 3).save(tmp_path / name / f"{number}.png")
    held = [read_samples(tmp_path, Map((1, 3, 4, 4)), 9, is_test=test) for test in (False, True)]
    assert all(part.are_pixels for part in held)
    found = {float(sample.flat[0]) for part in held for sample in part.inputs}
    expected = np.array([0, 255, 128, 51]) / 127.5 - 1
    assert np.allclose(sorted(found), sorted(expected))
    bright = read_samples(tmp_path, Map((1, 3, 4, 4)), 9, pixel_range=(0, 255)).inputs
    assert {float(sample.flat[0]) for sample in bright} <= {0, 255, 128, 51}
    for text in ("1,1", "1", ""):
        with pytest.raises(DataError):
            PixelRange.parse(text)


def test_samples_are_in_the_order_of_the_file(tmp_path):
    pack = real_pack(tmp_path / "real.npz")
    inputs = np.load(pack)["inputs"]
    first = read_samples(pack, Map((1, 3, 8, 8)), 100)
    assert len(first) == 18
    assert first.classes == 2
    as_read = first.as_read(Map((1, 3, 8, 8)))
    assert as_read.shape == (18, 1, 3, 8, 8)
    place = next(i for i, sample in enumerate(inputs) if np.array_equal(sample, first.inputs[0]))
    assert np.array_equal(as_read[0, 0], inputs[place].transpose(2, 0, 1))
    last = Map((1, 8, 8, 3), is_channels_last=True)
    assert np.array_equal(first.as_read(last)[:, 0], first.inputs)
    vectors = real_pack(tmp_path / "v.npz", inputs=np.ones((24, 1, 1, 5)), labels=None)
    assert read_samples(vectors, Map((1, 5)), 9).as_read(Map((1, 5))).shape == (*(9, 1, 5),)
    rows = real_pack(tmp_path / "r.npz", inputs=np.ones((24, 1, 7, 5)), labels=None)
    assert read_samples(rows, Map((1, 5, 7)), 9).as_read(Map((1, 5, 7))).shape == (*(9, 1, 5, 7),)


PACKS = {
    "int8": ({"inputs": np.zeros((4, 8, 8, 3), np.int8)}, "inputs is int8, and a float network"),
    "shape": ({"inputs": np.zeros((4, 3, 8, 8))}, "[4, 3, 8, 8] instead of [n, 8, 8, 3]"),
    "labels": ({"labels": np.zeros(3, int)}, "labels has 3 entries for 24 inputs"),
    "wrong label": ({"labels": np.arange(24) - 1}, "a label lies outside 0 to"),
    "nothing": ({"inputs": np.full((24, 8, 8, 3), np.nan)}, "inputs holds NaN or infinity"),
}


@pytest.mark.parametrize("what", PACKS)
def test_packs_that_do_not_suit_the_network(what, tmp_path):
    changes, text = PACKS[what]
    with pytest.raises(DataError) as error:
        read_samples(real_pack(tmp_path / "bad.npz", **changes), Map((1, 3, 8, 8)), 99)
    assert text in str(error.value)


def test_what_onnxruntime_refuses_is_said_in_a_line(network):
    found = read_float_network(network)
    with pytest.raises(ModelError, match="onnxruntime cannot run this network: ") as error:
        found.predict(np.zeros((1, 1, 3, 9, 9), np.float32))
    assert "\n" not in error.value.what
    with pytest.raises(ModelError, match="there are no samples to calibrate with"):
        quantize_network(found, np.zeros((0, 1, 3, 8, 8), np.float32))
    with pytest.raises(ModelError, match="onnxruntime cannot quantize this network: "):
        quantize_network(found, np.zeros((1, 1, 3, 9, 9), np.float32))


def test_a_missing_package_is_named(network, monkeypatch):
    found = read_float_network(network)

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(module.importlib, "import_module", missing)
    with pytest.raises(ModelError, match="needs the package onnxruntime, which is not") as error:
        found.predict(np.zeros((1, 1, 3, 8, 8), np.float32))
    assert error.value.hint == "pip install 'kilograd[quantize]'"


def test_a_network_without_a_type_of_sample(tmp_path):
    draft = FloatDraft()
    draft.input = helper.make_tensor_value_info("image", TensorProto.FLOAT, None)
    draft.add("Relu")
    assert "has an open shape" in refused(draft.write(tmp_path / "open.onnx"))
