"""The larger or the smaller of two maps' elements, and the gradient of that."""

from kilograd.ops.extreme.op import ExtremeInputGradient, Maximum, Minimum

OPERATORS = (Maximum(), Minimum(), ExtremeInputGradient())
