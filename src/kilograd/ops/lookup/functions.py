"""Real functions of one number that a table can hold, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


class _Formula(NamedTuple):
    """What a function is, by its parameters.

    Attributes:
        parameters: how many it has.
        value: of real numbers and the parameters.
        slope: the derivative; at a kink that of one side, as PyTorch and TensorFlow choose it.
    """

    parameters: int
    value: Callable[..., Reals]
    slope: Callable[..., Reals]


@dataclass(frozen=True)
class Function:
    """A real function of one number.

    Attributes:
        name: one of ``FUNCTIONS``.
        parameters: of the function, finite.

    Raises:
        ValueError: for an unknown name, or other than as many parameters as it has.
    """

    name: str
    parameters: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in FUNCTIONS:
            msg = f"there is no function {self.name}; there are {', '.join(sorted(FUNCTIONS))}"
            raise ValueError(msg)
        if len(self.parameters) != FUNCTIONS[self.name].parameters or not np.all(
            np.isfinite(self.parameters)
        ):
            msg = f"{self.name} does not have the parameters {list(self.parameters)}"
            raise ValueError(msg)

    def value(self, x: Reals) -> Reals:
        """The function of each number."""
        return FUNCTIONS[self.name].value(x, *self.parameters)

    def slope(self, x: Reals) -> Reals:
        """Its derivative at each number."""
        return FUNCTIONS[self.name].slope(x, *self.parameters)


def _logistic(x: Reals) -> Reals:
    return 0.5 + 0.5 * np.tanh(0.5 * x)  # never overflows


def _logistic_slope(x: Reals) -> Reals:
    return _logistic(x) * _logistic(-x)


def _swish(x: Reals) -> Reals:
    return x * _logistic(x)


def _swish_slope(x: Reals) -> Reals:
    return _logistic(x) * (1 + x * _logistic(-x))


def _tanh_slope(x: Reals) -> Reals:
    return 1 - np.tanh(x) ** 2


def _hard_swish(x: Reals) -> Reals:
    return x * np.clip(x + 3, 0, 6) / 6


def _hard_swish_slope(x: Reals) -> Reals:
    return np.where(x <= -3, 0.0, np.where(x >= 3, 1.0, x / 3 + 0.5))  # noqa: PLR2004 - its ends


def _leaky_relu(x: Reals, alpha: float) -> Reals:
    return np.where(x > 0, x, alpha * x)


def _leaky_relu_slope(x: Reals, alpha: float) -> Reals:
    return np.where(x > 0, 1.0, alpha)


def _elu(x: Reals, alpha: float) -> Reals:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _elu_slope(x: Reals, alpha: float) -> Reals:
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))


def _hard_sigmoid(x: Reals, alpha: float, beta: float) -> Reals:
    return np.clip(alpha * x + beta, 0, 1)


def _hard_sigmoid_slope(x: Reals, alpha: float, beta: float) -> Reals:
    linear = alpha * x + beta
    return np.where((linear > 0) & (linear < 1), alpha, 0.0)


def _linear(x: Reals, factor: float, offset: float) -> Reals:
    return factor * x + offset


def _linear_slope(x: Reals, factor: float, offset: float) -> Reals:
    del offset
    return np.full_like(x, factor)


FUNCTIONS: Mapping[str, _Formula] = {
    "logistic": _Formula(0, _logistic, _logistic_slope),
    "swish": _Formula(0, _swish, _swish_slope),
    "tanh": _Formula(0, np.tanh, _tanh_slope),
    "hard_swish": _Formula(0, _hard_swish, _hard_swish_slope),
    "leaky_relu": _Formula(1, _leaky_relu, _leaky_relu_slope),
    "elu": _Formula(1, _elu, _elu_slope),
    "hard_sigmoid": _Formula(2, _hard_sigmoid, _hard_sigmoid_slope),
    "absolute": _Formula(0, np.abs, np.sign),
    "linear": _Formula(2, _linear, _linear_slope),
}
"""By name. Parameters: the slope below zero (leaky_relu), the largest value below zero with its
sign changed (elu), slope and value at zero (hard_sigmoid), factor and offset (linear)."""
