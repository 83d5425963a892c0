"""Sums of a map and constants: one for each channel."""

from kilograd.ops.offset.op import Offset, OffsetAttributes
from kilograd.ops.offset.terms import difference_table, offset_terms

OPERATORS = (Offset(),)

__all__ = ["OPERATORS", "OffsetAttributes", "difference_table", "offset_terms"]
