"""Gradient tensors: their exponents, their sum at a fan-out, and how rules emit them."""

from kilograd.ops.gradient_scale.emit import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    emit_gradient,
    exponent_shift,
    gradient_arguments,
    gradient_type,
    initial_exponent,
    rounded_gradient,
    sum_gradients,
    whole_exponent,
)
from kilograd.ops.gradient_scale.op import OPERATORS

__all__ = [
    "EXPONENT",
    "MAGNITUDE",
    "OPERATORS",
    "check_exponents",
    "emit_gradient",
    "exponent_shift",
    "gradient_arguments",
    "gradient_type",
    "initial_exponent",
    "rounded_gradient",
    "sum_gradients",
    "whole_exponent",
]
