"""Functions of one number that .onnx files spell out in several operators."""

import numpy as np
import pytest
from onnx_drafts import ended
from onnx_files import Draft
from runtime import compare, samples

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.passes.verify import verify


def spelt_out(*operators, scale=0.02, zero=0):
    """A function behind a convolution; nothing is quantized before its end.

    Args:
        operators: name, and what it reads beside the result before it, in whose place None stands;
            numbers are constants, and "x" is the convolution's map.
        scale: of the result.
        zero: zero point of the result.
    """
    draft = Draft()
    x = draft.conv("sample_q", 4)
    real = draft.dequantize(x)
    made = real
    for operator, *reads in operators:
        names = [
            {None: made, "x": real}.get(read)
            if read is None or isinstance(read, str)
            else draft.constant(draft.unused("c"), np.float32(read))
            for read in reads or [None]
        ]
        made = draft.node(operator, names, [draft.unused(operator.lower())])
    return ended(draft, draft.quantize(made, draft.shapes[x], scale, zero, "function_q"))


def softplus_of_pytorch():
    """A Softplus that is quantized, and what takes its place for large numbers."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    soft = draft.append("Softplus", [x], draft.shapes[x], 2.0, -128)
    real = draft.dequantize(x)
    is_large = draft.node("Greater", [real, draft.constant("most", np.float32(1.5))], ["is_large"])
    made = draft.node("Where", [is_large, real, draft.dequantize(soft)], ["softplus"])
    return ended(draft, draft.quantize(made, draft.shapes[x], 0.05, -128, "function_q"))


def behind_a_reshape():
    draft = Draft((1, 3, 6, 4))
    x = draft.pool(draft.conv("sample_q", 5))
    real = draft.node("Exp", [draft.dequantize(x)], ["exp"])
    shape = draft.constant("shape", np.array([1, 5]))
    real = draft.node("Reshape", [real, shape], ["vector"])
    return draft.finish(draft.gemm(draft.quantize(real, (1, 5), 0.02, -128, "exp_q"), 3))


DRAFTS = {
    "exp": (lambda: spelt_out(("Exp",)), np.exp),
    "exp of the negative": (lambda: spelt_out(("Neg",), ("Exp",)), lambda x: np.exp(-x)),
    "square": (lambda: spelt_out(("Pow", None, 2.0)), np.square),
    "a power of a number": (lambda: spelt_out(("Pow", 2.0, None)), np.exp2),
    "product with itself": (
        lambda: spelt_out(("Sin",), ("Mul", None, "x")),
        lambda x: x * np.sin(x),
    ),
    "logarithm of a sum": (
        lambda: spelt_out(("Exp",), ("Add", None, 1.0), ("Log",)),
        lambda x: np.log1p(np.exp(x)),
    ),
    "elu of a root": (
        lambda: spelt_out(("Abs",), ("Sqrt",), ("Sub", None, 0.7), ("Elu",)),
        lambda x: np.where(
            np.sqrt(np.abs(x)) > 0.7,
            np.sqrt(np.abs(x)) - 0.7,
            np.expm1(np.minimum(np.sqrt(np.abs(x)) - 0.7, 0)),
        ),
    ),
    "root": (lambda: spelt_out(("Abs",), ("Sqrt",)), lambda x: np.sqrt(np.abs(x))),
    "softsign": (
        lambda: spelt_out(("Abs",), ("Max", None, 0.0), ("Add", 1.0, None), ("Div", "x", None)),
        lambda x: x / (1 + np.abs(x)),
    ),
    "threshold": (
        lambda: spelt_out(("LessOrEqual", None, 0.3), ("Where", None, 0.1, "x")),
        lambda x: np.where(x <= 0.3, 0.1, x),
    ),
    "hard shrinking": (
        lambda: spelt_out(("Abs",), ("LessOrEqual", None, 0.5), ("Where", None, 0.0, "x")),
        lambda x: np.where(np.abs(x) <= 0.5, 0, x),
    ),
    "clamped": (
        lambda: spelt_out(("Exp",), ("Clip", None, 0.5, 1.5)),
        lambda x: np.clip(np.exp(x), 0.5, 1.5),
    ),
    "rectified": (lambda: spelt_out(("Cos",), ("Relu",)), lambda x: np.maximum(np.cos(x), 0)),
    "rounded": (lambda: spelt_out(("Floor",)), np.floor),
    "softplus of PyTorch": (
        softplus_of_pytorch,
        lambda x: np.where(x > 1.5, x, np.logaddexp(x, 0)),
    ),
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_every_tensor_is_that_of_onnxruntime(what):
    found = compare(DRAFTS[what][0]().content(), list(samples((1, 3, 8, 8), 40)))
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    assert found.alone.share < 0.01
    assert found.same_class >= 39


@pytest.mark.parametrize("what", DRAFTS)
def test_it_is_one_table_of_the_function(what, tmp_path):
    make, function = DRAFTS[what]
    graph = load_model(str(make().write(tmp_path / "net.onnx")))
    verify(graph, "reading")
    (node,) = (n for n in graph.nodes if n.operator == "lookup")
    given, output = graph.type_of(node.inputs[0]), graph.type_of(node.outputs[0])
    x = (np.arange(-128, 128) - given.zero_point) * given.scale
    steps = function(x) / output.scale + output.zero_point
    # Softplus is rounded once more on its way.
    slack = 1.01 if what == "softplus of PyTorch" else 0.51
    assert np.abs(np.array(node.attributes.table) - np.clip(steps, -128, 127)).max() <= slack
    at = x[1:-1]
    real = (function(at + given.scale) - function(at - given.scale)) / (2 * given.scale)
    if what != "softplus of PyTorch":
        assert node.attributes.function.slope(at) == pytest.approx(real, abs=1e-4)


@pytest.mark.parametrize("what", ["exp of the negative", "threshold", "softplus of PyTorch"])
def test_a_training_step_is_the_same_on_a_board(what, tmp_path, learns_alike):
    assert learns_alike(load_model(str(DRAFTS[what][0]().write(tmp_path / "net.onnx")), 3))


def test_what_is_infinite_is_clamped(tmp_path):
    graph = load_model(str(spelt_out(("Abs",), ("Log",)).write(tmp_path / "net.onnx")), 3)
    (node,) = (n for n in graph.nodes if n.operator == "lookup")
    given = graph.type_of(node.inputs[0])
    assert node.attributes.table[given.zero_point + 128] == -128
    assert np.isfinite(node.attributes.function.parameters).all()


def test_a_function_goes_through_a_reshape(tmp_path):
    graph = load_model(str(behind_a_reshape().write(tmp_path / "net.onnx")))
    assert [n.operator for n in graph.nodes] == ["conv", "average_pool", "lookup", "dense"]


def exp_as_float():
    """A function that a layer reads before it is quantized."""
    draft = spelt_out(("Exp",))
    draft.nodes = [n for n in draft.nodes if n.output[0] != "function_q"]
    reader = next(n for n in draft.nodes if "function_q" in n.input)
    draft.nodes.remove(reader)
    (pool,) = (n for n in draft.nodes if n.op_type == "AveragePool")
    pool.input[0] = next(n.output[0] for n in draft.nodes if n.op_type == "Exp")
    return draft


def test_a_long_chain_of_functions_is_read_fast(tmp_path):
    """Each is known by the one before it."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    for _ in range(300):
        x = draft.like("Abs", x, draft.shapes[x])
    real = draft.node("Exp", [draft.dequantize(x)], ["exp"])
    made = draft.quantize(real, draft.shapes[x], 0.1, -128, "function_q")
    graph = load_model(str(ended(draft, made).write(tmp_path / "net.onnx")))
    assert [n.operator for n in graph.nodes] == ["conv", "lookup", "average_pool", "dense"]


def of_two_maps(operator):
    draft = Draft()
    x, y = draft.conv("sample_q", 4), draft.conv("sample_q", 4)
    return ended(draft, draft.append(operator, [x, y], draft.shapes[x], 1.0))


REFUSED = {
    "of two maps": (
        lambda: of_two_maps("Pow"),
        "it computes with several maps, and kilograd has functions of one number, sums,",
    ),
    "of a constant for each channel": (
        lambda: spelt_out(("Pow", None, [[[1.0]], [[2.0]], [[1.0]], [[2.0]]])),
        "it computes with a constant of the shape [4, 1, 1], and kilograd's functions are of one",
    ),
    "no number": (lambda: spelt_out(("Sqrt",)), "of which Sqrt is no number"),
    "read as float32": (
        exp_as_float,
        "it reads the result of Exp as float32: there is no QuantizeLinear and",
    ),
    "too few operands": (lambda: spelt_out(("Exp",), ("Where", None, 1.0)), "is damaged: node"),
    "of what is no number": (lambda: spelt_out(("Less", None, 1.0), ("Neg",)), "is damaged: node"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_is_refused(what, tmp_path):
    make, message = REFUSED[what]
    with pytest.raises(ModelError) as caught:
        load_model(str(make().write(tmp_path / "net.onnx")))
    assert message in str(caught.value)
