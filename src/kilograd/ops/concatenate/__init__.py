"""Two maps side by side in their channels."""

from kilograd.ops.concatenate.op import Concatenate

OPERATORS = (Concatenate(),)
