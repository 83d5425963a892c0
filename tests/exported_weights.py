"""Exported weights, used without the operators that made them."""

from dataclasses import replace

import numpy as np

from kilograd.ops import REGISTRY
from kilograd.ops.spec import StepContext


def accumulators(x, weight, bias, window=None):
    """Sums of a convolution in PyTorch's layout: x [H, W, C], weight [O, C / groups, h, w]."""
    if window is not None:
        x = np.pad(x, ((window.top, window.bottom), (window.left, window.right), (0, 0)))
    outputs, terms, height, width = weight.shape
    down, across = (1, 1) if window is None else window.strides
    below, beside = (1, 1) if window is None else window.dilations
    tall, wide = (height - 1) * below + 1, (width - 1) * beside + 1
    each = outputs // (x.shape[2] // terms)  # outputs of a group
    rows = (x.shape[0] - tall) // down + 1
    columns = (x.shape[1] - wide) // across + 1
    sums = np.zeros((rows, columns, outputs), np.int64)
    for row in range(rows):
        for column in range(columns):
            top, left = row * down, column * across
            seen = x[top : top + tall : below, left : left + wide : beside]
            for output in range(outputs):
                first = output // each * terms
                group = np.transpose(seen[:, :, first : first + terms], (2, 0, 1))
                sums[row, column, output] = np.sum(group * weight[output]) + bias[output]
    return sums


def frozen_graph(model, arrays):
    """A forward graph whose constants are the exported integers."""
    values = dict(model.values)
    for node in model.nodes:
        if not REGISTRY[node.operator].has_weights:
            continue
        _, bias, weight = node.inputs
        laid_out = as_kept(arrays[f"{node.layer}.weight_int8"], values[weight].type.shape)
        values[weight] = replace(values[weight], data=laid_out)
        values[bias] = replace(values[bias], data=arrays[f"{node.layer}.bias_int32"])
    return replace(model, values=values)


def as_kept(weight, shape):
    """A weight in PyTorch's layout as kilograd keeps it, in this shape."""
    moved = {
        2: lambda: weight.reshape(shape),  # pointwise and dense: [O, I]
        3: lambda: np.transpose(weight[:, 0], (1, 2, 0)),  # depthwise: [h, w, C]
        4: lambda: np.transpose(weight, (0, 2, 3, 1)),  # [O, h, w, I]
    }[len(shape)]()
    assert moved.shape == shape
    return np.ascontiguousarray(moved)


def logits(graph, sample):
    """Of a forward graph, node by node as the reference computes."""
    values = {value.name: value.array for value in graph.constants}
    values[graph.inputs[0].name] = sample
    for node in graph.nodes:
        results = REGISTRY[node.operator].reference(
            node.attributes,
            graph.types(node.inputs),
            [values[name] for name in node.inputs],
            StepContext(0, 0),
        )
        values.update(zip(node.outputs, results, strict=True))
    return values[graph.outputs[0]]
