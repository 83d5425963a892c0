"""Elementwise addition: the join of a residual connection."""

from kilograd.ops.add.op import Add

OPERATORS = (Add(),)
