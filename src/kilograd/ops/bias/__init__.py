"""Trained biases."""

from kilograd.ops.bias.op import BiasUpdate, BiasUpdateAttributes

OPERATORS = (BiasUpdate(),)

__all__ = ["OPERATORS", "BiasUpdate", "BiasUpdateAttributes"]
