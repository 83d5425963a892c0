"""The learning rate when nobody names one.

Networks whose rate was found by experiments (docs/accuracy.md) have that. A network from another
tool's file may be scaled quite differently: the features that its head reads have a mean squared
norm of 3 or of 400, and one rate would leave the one where it is and throw the other about. Steps
on a linear layer are stable up to a rate that goes with the inverse of the largest eigenvalue of
its inputs' second moments (LeCun et al., "Efficient BackProp", section 4.5), of which E‖x‖² is the
trace; where the head is trained already, gradients reach the layers below it from the first step
on, and E‖∂z/∂θ‖² over all that is trained takes its place. Both are measured on made-up samples.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kilograd.compiler import Program
from kilograd.data import Samples
from kilograd.data.samples import VALUE_END
from kilograd.device.host import HostDevice
from kilograd.device.protocol import DEFAULT_RATE
from kilograd.ir import Graph, LabelKind, Node
from kilograd.ops import REGISTRY
from kilograd.ops.arithmetic import random_bits
from kilograd.ops.spec import StepContext
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library
from kilograd.training.gradients import GradientReader, deltas_of, squared_gradients

#: ``DEFAULT_RATE`` where nothing but the head is trained: features that stay bear larger steps.
DEFAULT_HEAD_RATE = 0.004

#: Rate · E‖x‖² with more than the head trained, and with the head alone.
_OF_FEATURES, _OF_FEATURES_ALONE = 0.75, 1.5
#: Rate · E‖∂z/∂θ‖² from a trained head on.
_OF_ALL = 4.0
#: Above this, the rounding of single steps does harm, whatever the features are.
_MOST = 0.05
#: The same where the head knows something already that larger steps would wash out.
_MOST_FROM_TRAINED = 0.015
#: Samples that are made up, for features and for gradients.
_FEW, _MANY = 8, 64
#: Blocks along each side of a made-up sample.
_BLOCKS = 6


def default_rate(program: Program) -> float:
    """The learning rate for what a program trains, when nobody names one."""
    graph = program.request.graph
    trained = {*program.scheme.biases, *program.scheme.weights}
    is_alone = trained == {_head(graph).layer}
    if not graph.is_foreign:
        return DEFAULT_HEAD_RATE if is_alone else DEFAULT_RATE
    bound = (_OF_FEATURES_ALONE if is_alone else _OF_FEATURES) / _features_norm(graph)
    if not is_alone and _has_trained_head(graph):
        bound = min(bound, _OF_ALL / _tangent_norm(program), _MOST_FROM_TRAINED)
    return _rounded(min(bound, _MOST))


def _rounded(rate: float) -> float:
    """To two digits: more were not measured."""
    digits = 1 - math.floor(math.log10(rate))
    return round(rate, digits)


def _head(graph: Graph) -> Node:
    """The last layer with weights."""
    return [node for node in graph.nodes if REGISTRY[node.operator].has_weights][-1]


def _has_trained_head(graph: Graph) -> bool:
    node = _head(graph)
    weight = REGISTRY[node.operator].inputs_of(node).weight
    return bool(graph.values[weight].array.any())


def made_up_samples(shape: tuple[int, ...], count: int) -> NDArray[np.int8]:
    """Samples as coarse as pictures are: a brightness, some blocks, and noise.

    Args:
        shape: height, width, channels.
        count: of samples.

    Returns:
        int8 [count, height, width, channels], the same wherever and whenever it is made.
    """
    height, width, channels = shape
    rows, columns = (np.arange(n) * min(n, _BLOCKS) // n for n in (height, width))

    def numbers(stream: int, *extents: int) -> NDArray[np.float64]:
        bits = random_bits(0, 0, stream, math.prod(extents))
        return (bits.astype(np.float64) / 2.0**31 - 1).reshape(extents)

    brightness = 60 * numbers(1, count, 1, 1, 1)
    blocks = 60 * numbers(2, count, rows[-1] + 1, columns[-1] + 1, channels)
    noise = 20 * numbers(3, count, height, width, channels)
    samples = brightness + blocks[:, rows][:, :, columns] + noise
    return np.clip(np.rint(samples), -128, 127).astype(np.int8)


def _features_norm(graph: Graph) -> float:
    """E‖x‖² of what the head reads, and 1 for its bias."""
    head = _head(graph)
    before = graph.nodes[: graph.nodes.index(head)]
    name = REGISTRY[head.operator].inputs_of(head).x
    type_ = graph.type_of(name)
    total = 0.0
    for sample in made_up_samples(graph.inputs[0].type.shape, _FEW):
        known = {v.name: v.array for v in graph.constants} | {graph.inputs[0].name: sample}
        for node in before:
            reads = [known[read] for read in node.inputs]
            results = REGISTRY[node.operator].reference(
                node.attributes, graph.types(node.inputs), reads, StepContext()
            )
            known.update(zip(node.outputs, results, strict=True))
        features = (known[name].astype(np.float64) - type_.zero_point) * type_.scale
        total += float((features**2).sum())
    return 1 + total / _FEW


def _made_up_labels(program: Program) -> NDArray[np.int32]:
    """Each class in turn; of values both ends of the range, from which most estimates are far.

    Of sets, those with one class each.
    """
    numbers = np.arange(_MANY, dtype=np.int32)
    if program.graph.label_kind is LabelKind.VALUE:
        return (2 * (numbers % 2) - 1) * np.int32(VALUE_END)
    classes = numbers % program.class_count
    if program.graph.label_kind is LabelKind.SET:
        return np.left_shift(1, classes, dtype=np.int32)
    return classes


def _squared_error(graph: Graph, result: NDArray[np.int32], label: int) -> float:
    """‖∂L/∂z‖² of what a network says of a sample."""
    if graph.label_kind is LabelKind.ANOMALY:
        # Differences of more than 1, which the loss cuts off, are rare enough.
        return graph.inputs[0].type.size * int(result[0]) * graph.type_of(graph.outputs[0]).scale
    logits = result.astype(np.float64) * 2.0**-16
    if graph.label_kind is LabelKind.VALUE:
        return float(np.clip(logits[0] - label / VALUE_END, -1.0, 1.0)) ** 2
    if graph.label_kind is LabelKind.SET:
        applies = label >> np.arange(logits.size) & 1
        return float(np.square(np.exp(-np.logaddexp(0.0, -logits)) - applies).sum())
    shares = np.exp(logits - logits.max())
    error: NDArray[np.float64] = shares / shares.sum()
    error[label] -= 1
    return float((error**2).sum())


def _tangent_norm(program: Program) -> float:
    """E‖∂L/∂θ‖² / E‖∂L/∂z‖² over all that is trained, before anything is."""
    inputs = made_up_samples(program.graph.inputs[0].type.shape, _MANY)
    labels = _made_up_labels(program)
    program = program.for_target(get_target("host"))
    with HostDevice(build_host_library(program.sources).path) as device:
        device.initialize(0)
        state = device.read_state()
        errors = 0.0
        for sample, label in zip(inputs, labels, strict=True):
            result = device.predict(sample)
            errors += _squared_error(program.graph, result, int(label)) / _MANY
        deltas = deltas_of(program)
        reader = GradientReader(device, deltas, state)
        chosen = list(range(_MANY))
        squares = squared_gradients(reader, deltas, Samples(inputs, labels), chosen, None)
    return sum(float(square.sum()) for square in squares) / max(errors, 1e-6)
