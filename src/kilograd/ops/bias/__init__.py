"""Trained biases."""

from kilograd.ops.bias.op import (
    ApplyBiasDelta,
    BiasDeltaAttributes,
    BiasUpdate,
    BiasUpdateAttributes,
    bias_base_type,
    bias_delta_type,
)

OPERATORS = (ApplyBiasDelta(), BiasUpdate())

__all__ = [
    "OPERATORS",
    "ApplyBiasDelta",
    "BiasDeltaAttributes",
    "BiasUpdate",
    "BiasUpdateAttributes",
    "bias_base_type",
    "bias_delta_type",
]
