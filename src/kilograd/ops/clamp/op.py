"""Clamp masks: one bit an element, set where the quantized value may still move both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from kilograd.ir import DType, Graph, Node, TensorType
from kilograd.ops.spec import (
    DSP,
    HOST,
    PLAIN,
    Array,
    Attributes,
    Case,
    Gradient,
    GradientBuilder,
    Input,
    Kernel,
    NoAttributes,
    OpSpec,
    Output,
    RowRule,
    StepContext,
    Use,
    required,
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
    if gradient.is_masked or not spec.may_clamp(node, graph):
        return gradient
    (mask,) = builder.emit(
        "clamp_mask", {"x": name}, NoAttributes(), layer=layer, task="clamp_mask"
    )
    return _masked(gradient, mask, layer, builder)


def bounded_gradient(node: Node, low: int, high: int, builder: GradientBuilder) -> Gradient:
    """The gradient of a node's result, zero where that is not between two bounds.

    It is zero as well wherever the clamp of the node's input acted, which lies outside of them.
    """
    (name,), layer = node.outputs, node.layer
    attributes = BoundedMaskAttributes(low, high)
    (mask,) = builder.emit("bounded_mask", {"x": name}, attributes, layer=layer, task="clamp_mask")
    masked = _masked(builder.gradient(name), mask, layer, builder)
    return replace(masked, is_masked=True)


def _masked(gradient: Gradient, mask: str, layer: str, builder: GradientBuilder) -> Gradient:
    (masked,) = builder.emit(
        "mask_gradient",
        {"gradient": gradient.value, "mask": mask},
        NoAttributes(),
        layer=layer,
        task="masked_gradient",
    )
    return Gradient(masked, gradient.exponent, gradient.magnitude)


@dataclass(frozen=True)
class BoundedMaskAttributes:
    """Attributes of ``bounded_mask``.

    Attributes:
        low: the gradient passes above it.
        high: the gradient passes below it.
    """

    low: int
    high: int


class _Mask(OpSpec[Attributes]):
    """What both masks share."""

    operands = required("x")
    results = ("mask",)

    def infer(self, attributes: Attributes, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        """A bit an element."""
        return (mask_type(self.bind(attributes, inputs).x),)

    def reference(
        self,
        attributes: Attributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Compare and pack."""
        del inputs, context
        x, (low, high) = self.bind(attributes, arrays).x, self._bounds(attributes)
        return (np.packbits(((x > low) & (x < high)).ravel(), bitorder="little"),)

    def by_rows(self, attributes: Attributes, inputs: Sequence[TensorType]) -> RowRule | None:
        """Row by row, where a row fills whole bytes."""
        x = self.bind(attributes, inputs).x
        row = x.size // x.shape[0]
        return RowRule(("x",), attributes) if row % 8 == 0 else None

    def _bounds(self, attributes: Attributes) -> tuple[int, int]:
        """Between which a gradient passes."""
        raise NotImplementedError


class ClampMask(_Mask[NoAttributes]):
    """Bit i is set where −128 < y[i] < 127. Output: uint8[⌈n/8⌉]."""

    name = "clamp_mask"
    attributes_type = NoAttributes

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_clamp_mask."""
        fields = {"count": self.bind(attributes, inputs).x.size}
        uses = {PLAIN: Use(), DSP: Use()}
        return Kernel("clamp_mask", fields, (Input("x"), Output("mask")), uses)

    def cases(self) -> Sequence[Case]:
        """Counts that do and do not fill whole bytes."""
        return [Case(str(shape), NoAttributes(), (TensorType(shape),)) for shape in _SHAPES]

    def _bounds(self, attributes: NoAttributes) -> tuple[int, int]:
        del attributes
        return -128, 127


class BoundedMask(_Mask[BoundedMaskAttributes]):
    """Bit i is set where low < y[i] < high. Output: uint8[⌈n/8⌉]."""

    name = "bounded_mask"
    attributes_type = BoundedMaskAttributes

    def kernel(self, attributes: BoundedMaskAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_bounded_mask."""
        count = self.bind(attributes, inputs).x.size
        fields = {"count": count, "low": attributes.low, "high": attributes.high}
        uses = {PLAIN: Use(), DSP: Use()}
        return Kernel("bounded_mask", fields, (Input("x"), Output("mask")), uses)

    def cases(self) -> Sequence[Case]:
        """Bounds at both ends, at one, and at none; counts that do and do not fill whole bytes."""
        bounds = ((-20, 127), (-128, 60), (-3, 4), (-1, 1))
        return [
            Case(f"{low}to{high}{shape}", BoundedMaskAttributes(low, high), (TensorType(shape),))
            for shape in _SHAPES
            for low, high in bounds
        ]

    def _bounds(self, attributes: BoundedMaskAttributes) -> tuple[int, int]:
        return attributes.low, attributes.high


class MaskGradient(OpSpec[NoAttributes]):
    """The gradient where the mask's bit is set, zero elsewhere; may work in place."""

    name = "mask_gradient"
    attributes_type = NoAttributes
    operands = required("gradient", "mask")
    results = ("result",)
    reuses = MappingProxyType({"result": ("gradient",)})

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The gradient's type."""
        gradient, mask = self.bind(attributes, inputs)
        if mask != mask_type(gradient):
            msg = f"mask {mask.shape} does not fit a gradient of {gradient.size} elements"
            raise ValueError(msg)
        return (gradient,)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Unpack and multiply."""
        del inputs
        gradient, mask = self.bind(attributes, arrays)
        bits = np.unpackbits(mask, count=gradient.size, bitorder="little")
        context.counters.elements_masked += int(np.count_nonzero(bits == 0))
        return (gradient * bits.reshape(gradient.shape).astype(np.int8),)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_mask_gradient."""
        fields = {"count": self.bind(attributes, inputs).gradient.size}
        arguments = (Input("gradient"), Input("mask"), Output("result"))
        return Kernel("mask_gradient", fields, arguments, {v: Use() for v in (PLAIN, DSP, HOST)})

    def cases(self) -> Sequence[Case]:
        """Counts that do and do not fill whole bytes."""
        types = [TensorType(shape) for shape in _SHAPES]
        return [
            Case(str(t.shape), NoAttributes(), (t, mask_type(t)), low={"gradient": -127})
            for t in types
        ]


_SHAPES = ((1, 1, 1), (3, 3, 5), (2, 4, 8), (5, 7, 3))
