"""What kilograd cannot carry of an .onnx file is refused in words: which layer, why, what helps."""

import sys

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_files import Draft, small_network

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model

SIMPLIFY = "hint: let quant_pre_process simplify the network before it is quantized"


def changed(change):
    """A network with one of every layer, spoilt."""

    def make():
        draft = small_network()
        change(draft)
        return draft

    return make


def ending(append, shape=(1, 3, 8, 8)):
    """A network whose layer before the head is another."""

    def make():
        draft = Draft(shape)
        x = append(draft)
        if len(draft.shapes[x]) > 2:
            x = draft.flatten(draft.pool(x))
        return draft.finish(draft.gemm(x, 3))

    return make


def node(draft, operator, place=0):
    return [node for node in draft.nodes if node.op_type == operator][place]


def constant(draft, ending, data):
    draft.constant(next(name for name in draft.constants if name.endswith(ending)), data)


def attribute(draft, operator, **values):
    node(draft, operator).attribute.extend(
        helper.make_attribute(name, value) for name, value in values.items()
    )


def float_network(draft):
    for entry in [n for n in draft.nodes if n.op_type.endswith("uantizeLinear")]:
        draft.nodes.remove(entry)


def dynamic(draft):
    operands = ["sample_q", "w", "a", "b"]
    draft.nodes.insert(1, helper.make_node("ConvInteger", operands, ["y"], "stem"))


def external(draft):
    tensor = next(t for name, t in draft.constants.items() if name.endswith("weight_quantized"))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def of_16_bits(draft):
    for name, tensor in list(draft.constants.items()):
        if name.endswith(".zero") and "layer" not in name:
            draft.constant(name, np.int16(0))
        del tensor


def weight_of_16_bits(draft):
    constant(draft, "weight_quantized", np.ones((4, 3, 3, 3), np.int16))
    constant(draft, "weight.zero", np.zeros(4, np.int16))


def infinite_weight(draft):
    node(draft, "Conv").input[1] = "plain"
    draft.constant("plain", np.full((4, 3, 3, 3), np.inf, np.float32))


def variable_weight(draft):
    node(draft, "Conv").input[1] = node(draft, "Conv").input[0]


def not_quantized(draft):
    """The first convolution's result goes on as float."""
    convs = [n for n in draft.nodes if n.op_type == "Conv"]
    convs[1].input[0] = convs[0].output[0]


def another_scale(draft):
    """A map is read with other numbers than it was quantized with."""
    entries = [n for n in draft.nodes if n.op_type == "DequantizeLinear"]
    entry = next(n for n in entries if n.input[0].startswith("Conv_q"))
    draft.constant("other", np.float32(0.5))
    entry.input[1] = "other"


def second_input(draft):
    draft.inputs.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))


def open_extent(draft):
    draft.inputs[0].type.tensor_type.shape.dim[2].dim_param = "height"


def of_map(operator, shape=None, more=(), **attributes):
    """An operator that reads a map of [1, 4, 8, 8]."""

    def append(draft):
        x = draft.conv("sample_q", 4)
        given = [draft.constant(f"more{i}", np.array(data)) for i, data in enumerate(more)]
        return draft.like(operator, x, shape or draft.shapes[x], given, **attributes)

    return ending(append)


def broadcast(draft):
    """Of maps one of which has half as many rows as the other."""
    x, y = draft.conv("sample_q", 4), draft.conv("sample_q", 4, strides=(2, 1))
    return draft.append("Add", [x, y], draft.shapes[x], 1.0)


def added_constant(draft):
    x = draft.conv("sample_q", 4)
    numbers = draft.constant("c", np.ones(4, np.float32))
    return draft.append("Add", [x], draft.shapes[x], 1.0, more=[numbers])


def last_layer(draft):
    return draft.finish(draft.conv("sample_q", 4))


def three_directions(draft):
    return draft.conv("sample_q", 4, (3, 3, 3))


REFUSED = {
    "float network": (
        changed(float_network),
        ["this network is not quantized: its operators are of float32", "with kilograd quantize"],
    ),
    "dynamic": (
        changed(dynamic),
        ["layer ConvInteger, stem, is of dynamic quantization", "or with quantize_static"],
    ),
    "old": (
        changed(lambda d: setattr(d, "opset", 9)),
        ["version 9 of ONNX's operators, and versions 10 to 27 are read", "opset from 10 to 27"],
    ),
    "new": (changed(lambda d: setattr(d, "opset", 28)), ["version 28 of ONNX's operators"]),
    "external": (
        changed(external),
        ["the constant layer_1.weight_quantized lies in another file", "save the network in one"],
    ),
    "maps of 16 bits": (
        changed(of_16_bits),
        ["(DequantizeLinear, node_sample_q_real_2): its input is int16, and kilograd"],
    ),
    "weight of 16 bits": (
        changed(weight_of_16_bits),
        ["its constant is int16, and kilograd's weights are int8"],
    ),
    "infinite weight": (changed(infinite_weight), ["its weight has numbers that are not finite"]),
    "variable weight": (changed(variable_weight), ["its weight is not a constant"]),
    "scales of blocks": (
        changed(lambda d: attribute(d, "DequantizeLinear", block_size=2)),
        ["it has a scale for each block of elements, which is not read"],
    ),
    "not quantized in between": (
        changed(not_quantized),
        ["it reads the result of Conv as float32: there is no QuantizeLinear"],
    ),
    "another scale": (changed(another_scale), ["with another scale or zero point than the map"]),
    "second input": (changed(second_input), ["the network has 2 inputs", "export the part"]),
    "second output": (
        changed(lambda d: d.outputs.append(d.outputs[0])),
        ["the network has 2 outputs"],
    ),
    "batch": (
        ending(lambda d: d.gemm("sample_q", 5), (4, 8)),
        ["the network reads 4 samples at a time", "a batch of 1"],
    ),
    "open extent": (
        ending(lambda d: changed_input(d, open_extent), (1, 3, 1, 8)),
        ["the network's input has no fixed shape"],
    ),
    "normalization as in training": (
        of_map("BatchNormalization", more=[np.ones(4, np.float32)] * 4, training_mode=1),
        ["(BatchNormalization, node_batchnormalization_", "by the batch, as in training"],
    ),
    "normalization of other channels": (
        of_map("BatchNormalization", more=[np.ones(5, np.float32)] * 4),
        ["its scale is not one number for each of 4 channels"],
    ),
    "normalization by nothing": (
        of_map("BatchNormalization", more=[np.ones(4, np.float32)] * 3 + [-np.ones(4, np.float32)]),
        ["its variance is not above zero"],
    ),
    "gelu of another kind": (
        of_map("Gelu", approximate="sigmoid"),
        ["its attribute approximate is sigmoid"],
    ),
    "unknown": (of_map("Sinh"), ["kilograd has no such operator"]),
    "normalization of a sample": (
        of_map("LayerNormalization", more=[np.ones((1, 4, 8, 8), np.float32)]),
        ["it normalizes by a sample's own numbers", "train the network with batch normalization"],
    ),
    "domain": (of_map("FusedConv", domain="com.microsoft"), ["(com.microsoft.FusedConv, "]),
    "softmax": (of_map("Softmax"), ["(Softmax, softmax_6): a softmax can only follow the last"]),
    "dilated pool": (
        of_map("MaxPool", (1, 4, 6, 6), kernel_shape=(2, 2), dilations=(2, 2)),
        ["its window is dilated, and kilograd's are not dilated"],
    ),
    "three directions": (
        ending(three_directions, (1, 3, 8, 8, 8)),
        ["its window moves in 3 directions, and kilograd's in two"],
    ),
    "broadcast": (
        ending(broadcast),
        ["it adds maps of the shapes [1, 4, 8, 8] and [1, 4, 4, 8], and kilograd adds two"],
    ),
    "constant added": (
        ending(added_constant),
        [
            "it adds a constant of the shape [4], and kilograd has one number, or one for each",
            "channel of a map or element of a vector",
        ],
    ),
    "alpha": (
        changed(lambda d: attribute(d, "Gemm", alpha=0.5)),
        ["it multiplies by alpha, which is 0.5"],
    ),
    "transposed input": (
        changed(lambda d: attribute(d, "Gemm", transA=1)),
        ["it transposes its input", SIMPLIFY],
    ),
    "reflected": (
        of_map("Pad", (1, 4, 24, 8), [[0, 0, 8, 0, 0, 0, 8, 0]], mode="reflect"),
        ["8 and 8 positions are put around 8, and a border by reflect has at most 7"],
    ),
    "corners without end": (
        of_map("Pad", (1, 4, 308, 308), [[0, 0, 300, 300, 0, 0, 0, 0]], mode="edge"),
        ["a position becomes more than 65,536 of a border by edge"],
    ),
    "reflected channels": (
        of_map("Pad", (1, 6, 10, 10), [[0, 1, 1, 1, 0, 1, 1, 1]], mode="reflect"),
        ["it pads channels with others of them"],
    ),
    "padded in no way": (
        of_map("Pad", (1, 4, 10, 8), [[0, 0, 1, 0, 0, 0, 1, 0]], mode="around"),
        ["its mode is around"],
    ),
    "padded with ones": (
        of_map("Pad", (1, 4, 10, 8), [[0, 0, 1, 0, 0, 0, 1, 0], np.float32(1)]),
        ["it pads with a number that is not 0"],
    ),
    "cut": (
        of_map("Pad", (1, 4, 7, 8), [[0, 0, -1, 0, 0, 0, 0, 0]]),
        ["its pads [0, 0, -1, 0, 0, 0, 0, 0] cut the map"],
    ),
    "last layer": (
        lambda: last_layer(Draft()),
        ["the last layer must make one value for each class, and it slides a window of 3×3"],
    ),
}


def changed_input(draft, change):
    change(draft)
    return draft.conv("sample_q", 4, (1, 3), pads=(0, 1, 0, 1))


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_is_refused(what, tmp_path):
    make, texts = REFUSED[what]
    path = make().write(tmp_path / "net.onnx")
    with pytest.raises(ModelError) as error:
        load_model(str(path))
    assert error.value.where == str(path)
    for text in texts:
        assert text in str(error.value)
    assert "TFLITE" not in str(error.value)


def test_the_package_that_reads_the_files_may_be_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    path = small_network().write(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match="needs the package onnx, which is not") as error:
        load_model(str(path))
    assert error.value.hint == "pip install 'kilograd[onnx]'"
