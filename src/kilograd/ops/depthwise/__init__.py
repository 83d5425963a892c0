"""Depthwise convolutions: a window over each channel by itself."""

from kilograd.ops.depthwise.backward import DepthwiseInputGradient, DepthwiseWeightUpdate
from kilograd.ops.depthwise.op import Depthwise

OPERATORS = (Depthwise(), DepthwiseInputGradient(), DepthwiseWeightUpdate())
