"""Spaced convolutions over all input channels, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.common.windowed import WindowedAttributes, forward_case
from kilograd.ops.common.windowed_backward import GradientCase, WindowGradientAttributes
from kilograd.ops.conv.backward import ConvInputGradient, ConvWeightUpdate, conv_weight
from kilograd.ops.conv.op import Conv
from kilograd.ops.spaced.cases import gradient_windows, windows
from kilograd.ops.spaced.window import SpacedAttributes, SpacedGradientAttributes
from kilograd.ops.spec import DSP, PLAIN, Case, Kernel, Variant


class SpacedConv(Conv):
    """k×k convolution with dilation and two strides (TensorFlow Lite's CONV_2D)."""

    name = "spaced_conv"
    attributes_type = SpacedAttributes
    gradient_attributes = SpacedGradientAttributes
    input_gradient = "spaced_conv_input_gradient"
    weight_update = "spaced_conv_weight_update"

    def kernel(self, attributes: WindowedAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_spaced_conv: one window at a time in plain C, four with DSP instructions."""
        return spaced(super().kernel(attributes, inputs), PLAIN, DSP)

    def cases(self) -> Sequence[Case]:
        """Dilation and strides in one direction and both, uneven padding, one position."""
        return [
            forward_case(
                name,
                SpacedAttributes(window, Quantization((0.06,), -20)),
                TensorType((*extents, 3), DType.INT8, Quantization((0.03,), 7)),
                conv_weight(window, 3, 5),
                window.taps * 3,
            )
            for name, window, extents in windows()
        ]


class SpacedConvInputGradient(ConvInputGradient):
    """Input gradient for weights int8[O, kh, kw, I]."""

    name = "spaced_conv_input_gradient"
    attributes_type = SpacedGradientAttributes

    def kernel(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_spaced_conv_input_gradient, one position of the result at a time."""
        return spaced(super().kernel(attributes, inputs), PLAIN)

    def gradient_cases(self) -> list[GradientCase]:
        """The forward's windows."""
        return _gradient_cases()


class SpacedConvWeightUpdate(ConvWeightUpdate):
    """Weight update for weights int8[O, kh, kw, I]."""

    name = "spaced_conv_weight_update"
    attributes_type = SpacedGradientAttributes

    def kernel(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_spaced_conv_weight_update, one weight at a time."""
        return spaced(super().kernel(attributes, inputs), PLAIN)

    def gradient_cases(self) -> list[GradientCase]:
        """The forward's windows."""
        return _gradient_cases()


def spaced(kernel: Kernel, *variants: Variant) -> Kernel:
    """The kernel of the same arguments whose window is spaced, in some variants of the other."""
    uses = {variant: kernel.uses[variant] for variant in variants if variant in kernel.uses}
    return replace(kernel, name=f"spaced_{kernel.name}", uses=uses)


def _gradient_cases() -> list[GradientCase]:
    return [
        (
            name,
            attributes,
            TensorType((*attributes.window.output_shape(*attributes.input_shape[:2]), 4)),
            conv_weight(attributes.window, attributes.input_shape[2], 4),
        )
        for name, attributes in gradient_windows()
    ]
