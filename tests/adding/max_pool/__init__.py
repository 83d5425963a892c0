"""Max pooling."""

from kilograd.ops.max_pool.op import MaxPool, MaxPoolInputGradient

OPERATORS = (MaxPool(), MaxPoolInputGradient())
