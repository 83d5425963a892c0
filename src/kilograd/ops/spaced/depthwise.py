"""Spaced depthwise convolutions and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.common.windowed import WindowedAttributes, forward_case
from kilograd.ops.common.windowed_backward import GradientCase, WindowGradientAttributes
from kilograd.ops.depthwise.backward import (
    DepthwiseInputGradient,
    DepthwiseWeightUpdate,
    depthwise_weight,
)
from kilograd.ops.depthwise.op import Depthwise
from kilograd.ops.spaced.cases import gradient_windows, windows
from kilograd.ops.spaced.conv import spaced
from kilograd.ops.spaced.window import SpacedAttributes, SpacedGradientAttributes
from kilograd.ops.spec import DSP, PLAIN, Case, Kernel, Scratch, Variant


class SpacedDepthwise(Depthwise):
    """Depthwise convolution with dilation and two strides (TensorFlow Lite's DEPTHWISE_CONV_2D).

    Its result does not take the place of its input.
    """

    name = "spaced_depthwise"
    reuses = MappingProxyType({})
    attributes_type = SpacedAttributes
    gradient_attributes = SpacedGradientAttributes
    input_gradient = "spaced_depthwise_input_gradient"
    weight_update = "spaced_depthwise_weight_update"

    def kernel(self, attributes: WindowedAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_spaced_depthwise: with DSP instructions four channels at a time; needs no scratch."""
        return _without_scratch(super().kernel(attributes, inputs), DSP)

    def in_place_bytes(self, attributes: WindowedAttributes, inputs: Sequence[TensorType]) -> int:
        """It is not run in place."""
        del attributes, inputs
        return 0

    def cases(self) -> Sequence[Case]:
        """Dilation and strides in one direction and both, uneven padding, one position."""
        return [
            forward_case(
                name,
                SpacedAttributes(window, Quantization((0.05,), -128)),
                TensorType((*extents, channels), DType.INT8, Quantization((0.03,), -128)),
                depthwise_weight(window, channels),
                window.taps,
            )
            for channels, (name, window, extents) in zip((3, 8, 33, 5, 4), windows(), strict=True)
        ]


class SpacedDepthwiseInputGradient(DepthwiseInputGradient):
    """Input gradient for weights int8[kh, kw, C]."""

    name = "spaced_depthwise_input_gradient"
    reuses = MappingProxyType({})
    attributes_type = SpacedGradientAttributes

    def kernel(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_spaced_depthwise_input_gradient; needs no scratch."""
        return _without_scratch(super().kernel(attributes, inputs))

    def in_place_bytes(
        self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]
    ) -> int:
        """It is not run in place."""
        del attributes, inputs
        return 0

    def gradient_cases(self) -> list[GradientCase]:
        """The forward's windows."""
        return _gradient_cases()


class SpacedDepthwiseWeightUpdate(DepthwiseWeightUpdate):
    """Weight update for weights int8[kh, kw, C]."""

    name = "spaced_depthwise_weight_update"
    attributes_type = SpacedGradientAttributes

    def kernel(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_spaced_depthwise_weight_update; needs no scratch."""
        return spaced(super().kernel(attributes, inputs), PLAIN)

    def gradient_cases(self) -> list[GradientCase]:
        """The forward's windows."""
        return _gradient_cases()


def _without_scratch(kernel: Kernel, *variants: Variant) -> Kernel:
    """The plain kernel of a spaced window, and those variants that the other has as well."""
    arguments = tuple(one for one in kernel.arguments if not isinstance(one, Scratch))
    uses = {variant: replace(use, scratch_bytes=0) for variant, use in kernel.uses.items()}
    return spaced(replace(kernel, arguments=arguments, uses=uses), PLAIN, *variants)


def _gradient_cases() -> list[GradientCase]:
    return [
        (
            name,
            attributes,
            TensorType(
                (
                    *attributes.window.output_shape(*attributes.input_shape[:2]),
                    attributes.input_shape[2],
                )
            ),
            depthwise_weight(attributes.window, attributes.input_shape[2]),
        )
        for name, attributes in gradient_windows()
    ]
