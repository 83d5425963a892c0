"""Elementwise addition, the join of a residual connection, and subtraction."""

from kilograd.ops.add.op import Add
from kilograd.ops.add.subtract import Negate, Subtract

OPERATORS = (Add(), Subtract(), Negate())
