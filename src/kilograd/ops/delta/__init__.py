"""Weights that are trained: a frozen base and how far training has moved it."""

from kilograd.ops.delta.op import NARROW, WIDE, ApplyDelta, DeltaAttributes, Precision

OPERATORS = (ApplyDelta(),)

__all__ = ["NARROW", "OPERATORS", "WIDE", "ApplyDelta", "DeltaAttributes", "Precision"]
