"""Real functions of one number that a table can hold, and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

#: Of the approximation of GELU by a hyperbolic tangent (Hendrycks and Gimpel, "Gaussian Error
#: Linear Units", 2016).
_GELU, _CUBIC = math.sqrt(2 / math.pi), 0.044715


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


def _negative_part(x: Reals) -> Reals:
    return np.minimum(x, 0)


def _negative_part_slope(x: Reals) -> Reals:
    return np.where(x > 0, 0.0, 1.0)


def _softplus(x: Reals) -> Reals:
    return np.logaddexp(x, 0)


def _mish(x: Reals) -> Reals:
    return x * np.tanh(_softplus(x))


def _mish_slope(x: Reals) -> Reals:
    inner = np.tanh(_softplus(x))
    return inner + x * (1 - inner**2) * _logistic(x)


def _erf(x: Reals) -> Reals:
    return np.array([math.erf(number) for number in x.ravel()]).reshape(x.shape)


def _erf_slope(x: Reals) -> Reals:
    return 2 / math.sqrt(math.pi) * np.exp(-(x**2))


def _gelu(x: Reals) -> Reals:
    return x * (1 + _erf(x / math.sqrt(2))) / 2


def _gelu_slope(x: Reals) -> Reals:
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return (1 + _erf(x / math.sqrt(2))) / 2 + x * density


def _gelu_tanh(x: Reals) -> Reals:
    return x * (1 + np.tanh(_GELU * (x + _CUBIC * x**3))) / 2


def _gelu_tanh_slope(x: Reals) -> Reals:
    inner = np.tanh(_GELU * (x + _CUBIC * x**3))
    return (1 + inner) / 2 + x * (1 - inner**2) * _GELU * (1 + 3 * _CUBIC * x**2) / 2


def _selu(x: Reals, alpha: float, gamma: float) -> Reals:
    return gamma * _elu(x, alpha)


def _selu_slope(x: Reals, alpha: float, gamma: float) -> Reals:
    return gamma * _elu_slope(x, alpha)


def _celu(x: Reals, alpha: float) -> Reals:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _celu_slope(x: Reals, alpha: float) -> Reals:
    return np.where(x > 0, 1.0, np.exp(np.minimum(x, 0) / alpha))


def _softsign(x: Reals) -> Reals:
    return x / (1 + np.abs(x))


def _softsign_slope(x: Reals) -> Reals:
    return 1 / (1 + np.abs(x)) ** 2


def _clip(x: Reals, low: float, high: float) -> Reals:
    return np.clip(x, low, high)


def _clip_slope(x: Reals, low: float, high: float) -> Reals:
    return np.where((x > low) & (x < high), 1.0, 0.0)


def _linear(x: Reals, factor: float, offset: float) -> Reals:
    return factor * x + offset


def _linear_slope(x: Reals, factor: float, offset: float) -> Reals:
    del offset
    return np.full_like(x, factor)


def _points(x: Reals, start: float, step: float, *results: float) -> Reals:
    return np.interp(x, start + step * np.arange(len(results)), results)


def _points_slope(x: Reals, start: float, step: float, *results: float) -> Reals:
    """At one of the inputs, the mean of both sides, if there are two."""
    slopes = np.diff(results) / step
    places = np.round((x - start) / step, 6)
    sides = (np.ceil(places) - 1, np.floor(places))
    below, above = (np.clip(side, 0, len(slopes) - 1).astype(np.int64) for side in sides)
    is_inside = (places >= 0) & (places <= len(slopes))
    return np.where(is_inside, (slopes[below] + slopes[above]) / 2, 0.0)


FUNCTIONS: Mapping[str, _Formula] = {
    "logistic": _Formula(0, _logistic, _logistic_slope),
    "swish": _Formula(0, _swish, _swish_slope),
    "tanh": _Formula(0, np.tanh, _tanh_slope),
    "hard_swish": _Formula(0, _hard_swish, _hard_swish_slope),
    "leaky_relu": _Formula(1, _leaky_relu, _leaky_relu_slope),
    "elu": _Formula(1, _elu, _elu_slope),
    "hard_sigmoid": _Formula(2, _hard_sigmoid, _hard_sigmoid_slope),
    "absolute": _Formula(0, np.abs, np.sign),
    "clip": _Formula(2, _clip, _clip_slope),
    "linear": _Formula(2, _linear, _linear_slope),
    "negative_part": _Formula(0, _negative_part, _negative_part_slope),
    "softplus": _Formula(0, _softplus, _logistic),
    "mish": _Formula(0, _mish, _mish_slope),
    "erf": _Formula(0, _erf, _erf_slope),
    "gelu": _Formula(0, _gelu, _gelu_slope),
    "gelu_tanh": _Formula(0, _gelu_tanh, _gelu_tanh_slope),
    "selu": _Formula(2, _selu, _selu_slope),
    "celu": _Formula(1, _celu, _celu_slope),
    "softsign": _Formula(0, _softsign, _softsign_slope),
    "points": _Formula(2 + 256, _points, _points_slope),
}
"""By name. Parameters: the slope below zero (leaky_relu), the largest value below zero with its
sign changed (elu, celu), slope and value at zero (hard_sigmoid), the smallest and largest result
(clip), factor and offset (linear); that of elu and what all is multiplied by (selu); the first of
256 inputs, the step from each to the next, and the results, between which it is linear (points)."""
