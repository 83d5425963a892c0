"""Elements in another order of dimensions."""

from kilograd.ops.transpose.op import Transpose

OPERATORS = (Transpose(),)
