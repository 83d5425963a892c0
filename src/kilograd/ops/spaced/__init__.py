"""Convolutions whose windows are dilated, or whose strides differ down and across."""

from kilograd.ops.spaced.conv import SpacedConv, SpacedConvInputGradient, SpacedConvWeightUpdate
from kilograd.ops.spaced.depthwise import (
    SpacedDepthwise,
    SpacedDepthwiseInputGradient,
    SpacedDepthwiseWeightUpdate,
)
from kilograd.ops.spaced.window import SpacedAttributes, SpacedWindow, sliding_window

OPERATORS = (
    SpacedConv(),
    SpacedConvInputGradient(),
    SpacedConvWeightUpdate(),
    SpacedDepthwise(),
    SpacedDepthwiseInputGradient(),
    SpacedDepthwiseWeightUpdate(),
)

__all__ = ["OPERATORS", "SpacedAttributes", "SpacedWindow", "sliding_window"]
