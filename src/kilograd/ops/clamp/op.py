"""Clamp masks: one bit an element, set where the quantized value may still move both ways."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from kilograd.ir import DType, Graph, Node, TensorType
from kilograd.ops.spec import (
    Array,
    Case,
    Gradient,
    GradientBuilder,
    Input,
    KernelCall,
    NoAttributes,
    OpSpec,
    Output,
    RowRule,
    StepContext,
)


def mask_type(activation: TensorType) -> TensorType:
    """One bit an element, in bytes filled from the least significant bit."""
    return TensorType(((activation.size + 7) // 8,), DType.UINT8)


def clamped_gradient(
    spec: OpSpec[Any], node: Node, graph: Graph, builder: GradientBuilder
) -> Gradient:
    """The gradient of a node's clamped result, zero where the clamp acted."""
    (name,), layer = node.outputs, node.layer
    gradient = builder.gradient(name)
    if not spec.may_clamp(node, graph):
        return gradient
    (mask,) = builder.emit("clamp_mask", [name], NoAttributes(), layer=layer, task="clamp_mask")
    (masked,) = builder.emit(
        "mask_gradient",
        [gradient.value, mask],
        NoAttributes(),
        layer=layer,
        task="masked_gradient",
    )
    return Gradient(masked, gradient.exponent, gradient.magnitude)


class ClampMask(OpSpec[NoAttributes]):
    """Bit i is set where −128 < y[i] < 127. Output: uint8[⌈n/8⌉]."""

    name = "clamp_mask"
    attributes_type = NoAttributes

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """A bit an element."""
        del attributes
        return (mask_type(inputs[0]),)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Compare and pack."""
        del attributes, inputs, context
        inside = (arrays[0] > _INT8.min) & (arrays[0] < _INT8.max)
        return (np.packbits(inside.ravel(), bitorder="little"),)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_clamp_mask."""
        del attributes
        return KernelCall("kg_clamp_mask", {"count": inputs[0].size}, (Input(0), Output(0)))

    def by_rows(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> RowRule | None:
        """Row by row, where a row fills whole bytes."""
        row = inputs[0].size // inputs[0].shape[0]
        return RowRule((0,), attributes) if row % 8 == 0 else None

    def cases(self) -> Sequence[Case]:
        """Counts that do and do not fill whole bytes."""
        return [Case(str(shape), NoAttributes(), (TensorType(shape),)) for shape in _SHAPES]


class MaskGradient(OpSpec[NoAttributes]):
    """The gradient where the mask's bit is set, zero elsewhere; may work in place."""

    name = "mask_gradient"
    attributes_type = NoAttributes
    reuses = MappingProxyType({0: (0,)})

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The gradient's type."""
        del attributes
        if inputs[1] != mask_type(inputs[0]):
            msg = f"mask {inputs[1].shape} does not fit a gradient of {inputs[0].size} elements"
            raise ValueError(msg)
        return (inputs[0],)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Unpack and multiply."""
        del attributes
        gradient, mask = arrays
        bits = np.unpackbits(mask, count=inputs[0].size, bitorder="little")
        context.counters.elements_masked += int(np.count_nonzero(bits == 0))
        return (gradient * bits.reshape(gradient.shape).astype(np.int8),)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_mask_gradient."""
        del attributes
        arguments = (Input(0), Input(1), Output(0))
        return KernelCall("kg_mask_gradient", {"count": inputs[0].size}, arguments)

    def cases(self) -> Sequence[Case]:
        """Counts that do and do not fill whole bytes."""
        types = [TensorType(shape) for shape in _SHAPES]
        return [Case(str(t.shape), NoAttributes(), (t, mask_type(t)), low={0: -127}) for t in types]


_INT8 = np.iinfo(np.int8)
_SHAPES = ((1, 1, 1), (3, 3, 5), (2, 4, 8), (5, 7, 3))
