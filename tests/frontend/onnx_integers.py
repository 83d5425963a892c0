"""Drafts of .onnx files in the QOperator format, as onnxruntime writes it."""

import numpy as np
from onnx import helper, numpy_helper

#: Operator of real numbers -> of integers, and its domain.
INTEGER = {
    "Conv": ("QLinearConv", ""),
    "MatMul": ("QLinearMatMul", ""),
    "Gemm": ("QGemm", "com.microsoft"),
    "Add": ("QLinearAdd", "com.microsoft"),
    "Mul": ("QLinearMul", "com.microsoft"),
    "Concat": ("QLinearConcat", "com.microsoft"),
    "AveragePool": ("QLinearAveragePool", "com.microsoft"),
    "GlobalAveragePool": ("QLinearGlobalAveragePool", "com.microsoft"),
    "ReduceMean": ("QLinearReduceMean", "com.microsoft"),
    "Sigmoid": ("QLinearSigmoid", "com.microsoft"),
    "LeakyRelu": ("QLinearLeakyRelu", "com.microsoft"),
}

#: That read integers as they are.
MOVING = ("MaxPool", "Flatten", "Reshape", "Squeeze", "Slice", "Transpose", "Pad")


def as_integers(draft):
    """The draft with operators of integers where it has some between quantizations.

    Results are called what they were as real numbers, and ``_quantized``.
    """
    made = {name: node for node in draft.nodes for name in node.output}
    names = {}
    for place, quantize in enumerate(draft.nodes):
        if quantize.op_type != "QuantizeLinear":
            continue
        node = made.get(quantize.input[0])
        if node is not None and node.op_type == "Relu" and is_lowest(draft, quantize):
            node = made.get(node.input[0])
        integers = None if node is None else integer(draft, node, quantize, made)
        if integers is not None:
            draft.nodes[place] = integers
            names[quantize.output[0]] = integers.output[0]
    for node in draft.nodes:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
    drop_unread(draft)
    return draft


def is_lowest(draft, quantize):
    """Whether zero is the lowest number, so that nothing is left of a Relu."""
    if len(quantize.input) < 3:  # 0 of uint8
        return True
    zero = numpy_helper.to_array(draft.constants[quantize.input[2]])
    return zero == np.iinfo(zero.dtype).min


def integer(draft, node, quantize, made):
    """One node in place of a node and what quantizes its operands and result; None if it cannot."""
    given = [made.get(name) for name in node.input]
    output = [f"{node.output[0]}_quantized"]
    if any(entry is None or entry.op_type != "DequantizeLinear" for entry in given[:1]):
        return None
    if node.op_type in MOVING:
        if parameters(draft, given[0]) != parameters(draft, quantize):
            return None
        operands, operator, domain = [given[0].input[0], *node.input[1:]], node.op_type, ""
    elif node.op_type in INTEGER:
        axes = []
        if node.op_type == "ReduceMean":  # the integer operator has them as an attribute
            axes = numpy_helper.to_array(draft.constants[node.input[1]]).tolist()
            given = given[:1]
        if any(entry is None or entry.op_type != "DequantizeLinear" for entry in given):
            return None
        maps = given[:2] if node.op_type in {"Conv", "Gemm"} else given
        bias = [entry.input[0] for entry in given[2:]] if maps != given else []
        _, *result = three(quantize)
        operands = [name for entry in maps for name in three(entry)]
        if node.op_type == "Concat":
            operands = [*result, *operands]
        elif node.op_type == "Gemm":
            operands += [*(bias or [""]), *result]
        else:
            operands += [*result, *bias]
        operator, domain = INTEGER[node.op_type]
    else:
        return None
    new = helper.make_node(operator, operands, output, node.name, domain=domain)
    new.attribute.extend(node.attribute)
    if new.op_type == "QLinearReduceMean":
        new.attribute.append(helper.make_attribute("axes", axes))
    return new


def three(node):
    """Operands of a node of quantization, the last of which may be left out."""
    return [*node.input, ""][:3]


def parameters(draft, node):
    """Scale and zero point of a node of quantization."""
    return [numpy_helper.to_array(draft.constants[name]).tolist() for name in node.input[1:]]


def drop_unread(draft):
    """Take out nodes that nothing reads."""
    while True:
        read = {name for node in draft.nodes for name in node.input}
        read |= {entry.name for entry in draft.outputs}
        kept = [node for node in draft.nodes if read.intersection(node.output)]
        if len(kept) == len(draft.nodes):
            return
        draft.nodes[:] = kept
