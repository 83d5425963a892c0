"""Max pooling."""

from kilograd.ops.halving.op import Halving, HalvingInputGradient

OPERATORS = (Halving(), HalvingInputGradient())
