"""The larger or the smaller of two maps' elements, and the gradient of that."""

from kilograd.ops.extremum.op import ExtremumInputGradient, Maximum, Minimum

OPERATORS = (Maximum(), Minimum(), ExtremumInputGradient())
