"""Weights that are trained: a frozen base and how far training has moved it."""

from kilograd.ops.delta.op import FRACTION_BITS, ApplyDelta, DeltaAttributes

OPERATORS = (ApplyDelta(),)

__all__ = ["FRACTION_BITS", "OPERATORS", "ApplyDelta", "DeltaAttributes"]
