"""How a gradient rule emits a gradient tensor with an exponent of its own.

A gradient is int8 with one power-of-two scale: real = q · 2^(exponent + loss exponent). The loss
exponent belongs to the sample (the loss operator normalizes each sample's gradient); the tensor's
own exponent is a state that follows the magnitudes seen, a little after each step
(docs/numerics.md, section 6).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, TensorType
from kilograd.ops.arithmetic import random_bits, stochastic_round
from kilograd.ops.kernel import Argument
from kilograd.ops.spec import (
    Array,
    Control,
    Gradient,
    GradientBuilder,
    Input,
    NoAttributes,
    Operands,
    OpSpec,
    Output,
    RngAttributes,
    StepContext,
)

#: Type of an exponent's state, in sixteenths of a power of two.
EXPONENT = TensorType((1,), DType.INT32)
#: Type of the bits seen in a gradient's magnitudes: the bitwise or of every |value|.
MAGNITUDE = TensorType((1,), DType.INT32)

#: log2 of the root mean square that a fresh gradient tensor is expected to be stored with.
_STORED_LOG2 = 1.5


def gradient_type(of: TensorType) -> TensorType:
    """Type of the gradient of an activation."""
    return TensorType(of.shape, DType.INT8)


def check_exponents(types: Operands[TensorType]) -> None:
    """ValueError unless every operand whose name ends in ``exponent`` is one."""
    for name, type_ in zip(types.names(), types, strict=True):
        if name.endswith("exponent") and type_ != EXPONENT:
            msg = f"{name} must be an exponent, int32[1], not {type_}"
            raise ValueError(msg)


def whole_exponent(exponent: Array) -> int:
    """The power of two that a state exponent stands for: sixteenths, rounded down."""
    return int(exponent[0]) >> 4


def exponent_shift(given: Operands[Array], unit_exponent: int) -> int:
    """Bits that a product drops on its way from the gradient's exponent to the result's.

    Args:
        given: arrays, ``gradient_exponent`` and ``result_exponent`` among them.
        unit_exponent: of the factor that the gradient was multiplied by.
    """
    change = whole_exponent(given.result_exponent) - whole_exponent(given.gradient_exponent)
    return change - unit_exponent


def initial_exponent(magnitude: float) -> int:
    """Where an exponent starts, in sixteenths, for a gradient of this expected log2 magnitude."""
    return math.floor(16 * (magnitude - _STORED_LOG2))


def gradient_arguments(spec: OpSpec[Any]) -> tuple[Argument, ...]:
    """What a kernel that makes a gradient takes: all operands, then gradient and MAGNITUDE."""
    reads = (Input(operand.name) for operand in spec.operands)
    return (Control(), *reads, Output("result"), Output("magnitude"))


def rounded_gradient(
    products: NDArray[np.int64], shift: int, rng_stream: int, context: StepContext
) -> tuple[Array, Array]:
    """Fixed-point gradients to int8 by stochastic rounding, and the magnitude bits seen.

    Element i in C order takes random number i of the stream.
    """
    bits = random_bits(context.seed, context.step, rng_stream, products.size)
    rounded = np.clip(stochastic_round(products, shift, bits), -32767, 32767)
    seen = np.bitwise_or.reduce(np.abs(rounded), axis=None)
    gradient = np.clip(rounded, -127, 127).astype(np.int8)
    return gradient, np.array([seen], np.int32)


def emit_gradient(
    builder: GradientBuilder,
    operator: str,
    inputs: Mapping[str, str | None],
    attributes: object,
    *,
    layer: str,
    task: str,
    magnitude: float,
) -> Gradient:
    """Emit a node that makes a gradient, the state of its exponent, and the state's update.

    Args:
        builder: the graph under construction.
        operator: takes ``inputs`` and a ``result_exponent``; makes the gradient and MAGNITUDE.
        inputs: of the operator, by operand, without the exponent.
        attributes: of the operator.
        layer: provenance.
        task: what the node does for the layer; part of its name.
        magnitude: expected log2 of the gradient's root mean square, see ``Gradient``.
    """
    start = np.array([initial_exponent(magnitude)], np.int32)
    exponent = builder.state(f"{layer}.{task}.exponent", EXPONENT, start)
    reads = {**inputs, "result_exponent": exponent}
    value, seen = builder.emit(operator, reads, attributes, layer=layer, task=task)
    (new,) = builder.emit(
        "adapt_exponent",
        {"exponent": exponent, "magnitude": seen},
        NoAttributes(),
        layer=layer,
        task=f"{task}.adapt",
    )
    builder.update(exponent, new)
    return Gradient(value, exponent, magnitude)


def sum_gradients(builder: GradientBuilder, a: Gradient, b: Gradient, *, layer: str) -> Gradient:
    """The sum of two contributions to one value's gradient."""
    return emit_gradient(
        builder,
        "gradient_sum",
        {"a": a.value, "a_exponent": a.exponent, "b": b.value, "b_exponent": b.exponent},
        RngAttributes(builder.rng_stream()),
        layer=layer,
        task="gradient_sum",
        magnitude=max(a.magnitude, b.magnitude) + 0.5,
    )
