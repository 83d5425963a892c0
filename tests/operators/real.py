"""What quantized operators mean: real formulas in float64, without rounding.

Written from the definitions, not from the package's references. Every backward operator is the
transpose of a forward formula that is linear in what is differentiated.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kilograd.ir import LabelKind, TensorType


def dequantize(array, type_: TensorType):
    """Real values; per-channel scales along their axis."""
    quantization = type_.quantization
    scales = np.asarray(quantization.scales)
    if quantization.axis is not None:
        shape = [1] * array.ndim
        shape[quantization.axis] = -1
        scales = scales.reshape(shape)
    return (array.astype(np.float64) - quantization.zero_point) * scales


def clamp(real, type_: TensorType):
    """What int8 can hold of a real activation."""
    low, high = (type_.scale * (q - type_.zero_point) for q in (-128, 127))
    return np.clip(real, low, high)


def patches(x, window):
    """[rows, columns, channels, kernel height, kernel width] of what lies under the window."""
    padding = ((window.top, window.bottom), (window.left, window.right), (0, 0))
    views = sliding_window_view(np.pad(x, padding), window.span, axis=(0, 1))
    (down, across), (row, column) = window.strides, window.dilations
    return views[::down, ::across, :, ::row, ::column]


def conv(x, weight, window):
    return np.einsum("rschw,ohwc->rso", patches(x, window), weight, optimize=True)


def depthwise(x, weight, window):
    return np.einsum("rschw,hwc->rsc", patches(x, window), weight, optimize=True)


def pointwise(x, weight):
    return x @ weight.T


def mean(x):
    return x.mean(axis=(0, 1), keepdims=True)


#: Functions of one number, by the names that tables have for them.
FUNCTIONS = {
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "tanh": lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "hard_swish": lambda x: x * np.minimum(np.maximum(x + 3, 0), 6) / 6,
    "leaky_relu": lambda x, alpha: np.maximum(x, 0) + alpha * np.minimum(x, 0),
    "elu": lambda x, alpha: np.maximum(x, 0) + alpha * (np.exp(np.minimum(x, 0)) - 1),
    "hard_sigmoid": lambda x, alpha, beta: np.minimum(np.maximum(alpha * x + beta, 0), 1),
    "absolute": lambda x: np.maximum(x, -x),
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "linear": lambda x, factor, offset: factor * x + offset,
    "negative_part": lambda x: (x - np.maximum(x, -x)) / 2,
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "mish": lambda x: x * (1 - 2 / ((1 + np.exp(x)) ** 2 + 1)),
    "erf": np.vectorize(lambda x: 1 - math.erfc(x), otypes=[float]),
    "gelu": np.vectorize(lambda x: x * math.erfc(-x / math.sqrt(2)) / 2, otypes=[float]),
    "gelu_tanh": lambda x: x / (1 + np.exp(-math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))),
    "selu": lambda x, alpha, gamma: (
        gamma * (np.maximum(x, 0) + alpha * (np.exp(np.minimum(x, 0)) - 1))
    ),
    "celu": lambda x, alpha: np.maximum(x, 0) + alpha * (np.exp(np.minimum(x, 0) / alpha) - 1),
    "points": lambda x, start, step, *results: np.interp(
        x, [start + step * place for place in range(len(results))], results
    ),
    "softsign": lambda x: 1 / (np.where(x > 0, 1, -1) + 1 / np.where(x == 0, 1e-300, x)),
}


def function(x, known):
    """A function that a table holds, as its attributes name it."""
    return FUNCTIONS[known.name](x, *known.parameters)


def held_function(x, attributes):
    """The same, held at what its quantization rounds to the ends of int8."""
    output = attributes.output
    low, high = (output.scale * (q - output.zero_point) for q in (-128.5, 127.5))
    return np.clip(function(x, attributes.function), low, high)


def loss(logits, label: int) -> float:
    shifted = logits - logits.max()
    return float(np.log(np.exp(shifted).sum()) - shifted[label])


def loss_of_sets(logits, label: int) -> float:
    applies = np.array([label >> k & 1 for k in range(logits.size)])
    return float(np.logaddexp(0, np.where(applies, -logits, logits)).sum())


def loss_of_value(logits, label: int) -> float:
    """Huber's, of an estimate and the right value in units of 2^-16."""
    size = abs(float(logits[0]) - label / 2.0**16)
    return size**2 / 2 if size <= 1 else size - 1 / 2


def loss_of_reconstruction(made, _label: int, sample, attributes) -> float:
    """Huber's of each difference, in units of the result; their sum."""
    size = np.abs(made.ravel() - sample.ravel() / attributes.unit)
    return float(np.where(size <= 1, size**2 / 2, size - 1 / 2).sum())


#: Of each kind of label.
LOSSES = {
    LabelKind.CLASS: loss,
    LabelKind.SET: loss_of_sets,
    LabelKind.VALUE: loss_of_value,
    LabelKind.ANOMALY: loss_of_reconstruction,
}


def softmax(logits):
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def transposed(linear: Callable, gradient, shape):
    """The gradient of ⟨gradient, linear(x)⟩ for x, one basis vector at a time."""
    result = np.zeros(shape)
    basis = np.zeros(shape)
    for index in np.ndindex(*shape):
        basis[index] = 1
        result[index] = (linear(basis) * gradient).sum()
        basis[index] = 0
    return result


def numeric_gradient(function: Callable, at, epsilon: float):
    """Central differences of a scalar function, one element at a time."""
    result = np.zeros(at.shape)
    moved = at.copy()
    for index in np.ndindex(*at.shape):
        sides = []
        for sign in (1, -1):
            moved[index] = at[index] + sign * epsilon
            sides.append(function(moved))
        moved[index] = at[index]
        result[index] = (sides[0] - sides[1]) / (2 * epsilon)
    return result
