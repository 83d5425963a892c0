"""Older versions of ONNX's operators, which state as attributes what newer ones read as inputs."""

import numpy as np
import pytest
from onnx import helper, numpy_helper
from onnx_drafts import clipped, ended, one_direction, padded
from onnx_files import Draft
from runtime import compare, samples
from test_onnx_channels import mixed
from test_onnx_repeats import resized

from kilograd.frontend.open import load_model


@pytest.fixture
def load(tmp_path):
    """The graph of a draft."""
    return lambda draft: load_model(str(draft.write(tmp_path / "net.onnx")))


def stated(draft, operator, *names):
    """The draft with inputs of an operator, from the second on, as attributes."""
    for node in draft.nodes:
        if node.op_type == operator:
            for name, operand in zip(names, node.input[1:], strict=True):
                tensor = numpy_helper.to_array(draft.constants[operand])
                node.attribute.append(helper.make_attribute(name, tensor.tolist()))
            del node.input[1:]
    return draft


def unsqueezed():
    draft = Draft((1, 3, 16))
    x = draft.like("Unsqueeze", "sample_q", (1, 3, 1, 16), [draft.constant("a", np.array([2]))])
    return ended(draft, draft.conv(x, 4, (1, 3), pads=(0, 1, 0, 1)))


def scaled():
    """Version 10 of Resize has its scales as the second input."""
    draft = resized((1, 1, 2, 3))
    for node in draft.nodes:
        if node.op_type == "Resize":
            del node.input[1]
            del node.attribute[:]
    return draft


OLDER = {
    "Clip": (10, clipped(-1.0, 6.3), lambda: stated(clipped(-1.0, 6.3)(), "Clip", "min", "max")),
    "Pad": (10, padded, lambda: stated(padded(), "Pad", "pads")),
    "Split": (12, lambda: mixed([4, 8]), lambda: stated(mixed([4, 8]), "Split", "split")),
    "Squeeze": (12, one_direction, lambda: stated(one_direction(), "Squeeze", "axes")),
    "Unsqueeze": (12, unsqueezed, lambda: stated(unsqueezed(), "Unsqueeze", "axes")),
    "Resize": (10, lambda: resized((1, 1, 2, 3)), scaled),
}


def older(what):
    opset, _, make = OLDER[what]
    draft = make()
    draft.opset = opset
    return draft


@pytest.mark.parametrize("what", OLDER)
def test_a_network_is_the_same_in_either_version(what, load):
    assert load(older(what)) == load(OLDER[what][1]())


@pytest.mark.oracle
@pytest.mark.parametrize("what", OLDER)
def test_every_tensor_is_within_one_step_of_onnxruntime(what):
    """Weights have one scale each: older versions of DequantizeLinear have no axis."""
    draft = older(what)
    for name, tensor in list(draft.constants.items()):
        data = numpy_helper.to_array(tensor)
        if name.endswith((".weight.scale", ".weight.zero", ".bias.scale", ".bias.zero")):
            draft.constant(name, data[0])
    for node in draft.nodes:
        if node.op_type == "DequantizeLinear":
            del node.attribute[:]
    shape = [dim.dim_value for dim in draft.inputs[0].type.tensor_type.shape.dim]
    found = compare(draft.content(), list(samples(shape, 10)))
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    assert found.alone.share < 0.01
