"""Trained biases."""

from kilograd.ops.bias.delta import (
    WIDE_BIAS,
    ApplyBiasDelta,
    BiasDeltaAttributes,
    BiasPrecision,
    bias_base_type,
    bias_delta_type,
    narrow_bias,
)
from kilograd.ops.bias.update import BiasUpdate, BiasUpdateAttributes

OPERATORS = (ApplyBiasDelta(), BiasUpdate())

__all__ = [
    "OPERATORS",
    "WIDE_BIAS",
    "ApplyBiasDelta",
    "BiasDeltaAttributes",
    "BiasPrecision",
    "BiasUpdate",
    "BiasUpdateAttributes",
    "bias_base_type",
    "bias_delta_type",
    "narrow_bias",
]
