"""Global average pooling."""

from kilograd.ops.pool.op import AveragePool, AveragePoolInputGradient

OPERATORS = (AveragePool(), AveragePoolInputGradient())
