"""Maps with their own positions once more around them, and the gradient of that."""

from kilograd.ops.border.op import Border, BorderInputGradient

OPERATORS = (Border(), BorderInputGradient())
