"""Trained biases."""

from kilograd.ops.bias.op import BiasStep, BiasStepAttributes

OPERATORS = (BiasStep(),)

__all__ = ["OPERATORS", "BiasStep", "BiasStepAttributes"]
