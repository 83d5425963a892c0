"""Convolutions with a k×k window over all input channels."""

from kilograd.ops.conv.backward import ConvInputGradient, ConvWeightUpdate
from kilograd.ops.conv.op import Conv

OPERATORS = (Conv(), ConvInputGradient(), ConvWeightUpdate())
