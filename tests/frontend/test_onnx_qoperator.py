"""Networks in the QOperator format are what they are in the QDQ format."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_drafts import DRAFTS, ended
from onnx_files import Draft, small_network
from onnx_integers import as_integers
from runtime import compare, samples

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model

#: Whose bias has a scale that the format cannot state.
ALL = sorted({*DRAFTS} - {"bias of another scale"})


@pytest.fixture
def load(tmp_path):
    """The graph of a draft."""
    return lambda draft: load_model(str(draft.write(tmp_path / "net.onnx")))


def products():
    """What the drafts of layers lack."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    spread = 30 * draft.quantizations[x][0]
    y = draft.append("LeakyRelu", [x], draft.shapes[x], spread, alpha=0.2)
    z = draft.append("Sigmoid", [x], draft.shapes[x], 0.16, -128)
    return ended(draft, draft.append("Mul", [y, z], draft.shapes[x], spread))


def operators(draft):
    return {node.op_type for node in draft.nodes}


@pytest.mark.parametrize("what", ALL)
def test_a_network_is_the_same_in_either_format(what, load):
    draft = as_integers(DRAFTS[what]())
    assert any(name.startswith("Q") and name != "QuantizeLinear" for name in operators(draft))
    assert load(draft) == load(DRAFTS[what]())


def test_products_and_functions_are_the_same_in_either_format(load):
    draft = as_integers(products())
    assert {"QLinearMul", "QLinearSigmoid", "QLinearLeakyRelu"} <= operators(draft)
    assert load(draft) == load(products())


def test_every_operator_of_integers_is_drafted():
    drafted = set().union(*(operators(as_integers(DRAFTS[what]())) for what in ALL))
    drafted |= operators(as_integers(products()))
    assert drafted >= {
        *("QLinearConv", "QGemm", "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearSigmoid"),
        *("QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearReduceMean"),
        *("QLinearLeakyRelu", "MaxPool", "Flatten", "Reshape", "Squeeze", "Pad", "Transpose"),
    }


def multiplied():
    """Of products of matrices whose biases are added by a sum of their own."""
    draft = Draft((1, 20))
    for outputs in (8, 3):
        x = draft.matmul(draft.last, outputs, bias=False)
        draft.constant("b", np.arange(outputs, dtype=np.int8))
        draft.constant("b.scale", np.float32(0.5))
        draft.constant("b.zero", np.int8(1))
    return draft.finish(x)


def test_a_product_of_matrices_is_a_dense_layer(load):
    draft = as_integers(multiplied())
    assert operators(draft) == {"QuantizeLinear", "QLinearMatMul", "DequantizeLinear"}
    assert load(draft) == load(multiplied())


def test_onnxruntimes_own_quantizations_are_those_of_onnx(load):
    draft = small_network()
    for node in draft.nodes:
        if node.op_type.endswith("uantizeLinear"):
            node.domain = "com.microsoft"
    assert load(draft) == load(small_network())


def test_scales_may_be_nodes(load):
    draft = as_integers(small_network())
    for name in [name for name in draft.constants if name.endswith(("scale", "zero"))]:
        value = draft.constants.pop(name)
        draft.nodes.insert(0, helper.make_node("Constant", [], [name], value=value))
    assert load(draft) == load(small_network())


def test_the_last_result_may_be_of_real_numbers(load):
    draft = as_integers(products())
    gemm, dequantize = draft.nodes[-2:]
    del gemm.input[7:]
    gemm.output[0] = dequantize.output[0]
    del draft.nodes[-1]
    assert load(draft) == load(products())


@pytest.mark.oracle
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_every_tensor_is_within_one_step_of_onnxruntime(kind):
    """Weights are small, since sums of onnxruntime saturate on some processors."""
    draft = small_network(dtype=kind)
    for name, tensor in list(draft.constants.items()):
        if name.endswith("weight_quantized"):
            draft.constant(name, onnx.numpy_helper.to_array(tensor) // 2)
    proto = as_integers(draft).proto()
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    found = compare(proto.SerializeToString(), list(samples((1, 3, 8, 8), 40)))
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    assert found.alone.share < 0.01
    assert found.same_class >= 39


def changed(change):
    draft = as_integers(small_network())
    change(draft)
    return draft


def node(draft, operator):
    return next(node for node in draft.nodes if node.op_type == operator)


def channels_last(draft):
    node(draft, "QLinearAveragePool").attribute.append(helper.make_attribute("channels_last", 1))


def scale_as_input(draft):
    name = node(draft, "QLinearConv").input[4]
    del draft.constants[name]
    draft.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]))


WRONG = {
    "channels last": (channels_last, "QLinearAveragePool makes has its channels last, as onnxrun"),
    "operands": (lambda d: node(d, "QLinearAdd").input.pop(), "zero point int8"),
    "scales": (lambda d: node(d, "QLinearAdd").input.__delitem__(slice(5, None)), "has 5 inputs"),
    "weight's scale": (scale_as_input, "the scales of what has a bias are not constants"),
    "no result": (lambda d: node(d, "QGemm").output.pop(), "QGemm has no result"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(what, load):
    change, message = WRONG[what]
    with pytest.raises(ModelError) as error:
        load(changed(change))
    assert message in str(error.value)
