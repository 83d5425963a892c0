"""The real formula of every operator, in units of its quantized result."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kilograd.ops.delta.op import effective_weight
from kilograd.ops.pointwise.split import merge
from operators import real
from operators.cases import OperatorCase

#: Elements of a result that are compared; others follow from the same formula.
SAMPLED = 60


@dataclass(frozen=True)
class Exact:
    """What a backward operator must make before it rounds.

    Attributes:
        at: flat indices of the elements compared.
        values: real gradient there, or for a step the negative change at rate 1.
        slack: real error that fixed-point scaling may add.
        frozen: where a step must change nothing.
    """

    at: np.ndarray
    values: np.ndarray
    slack: float = 0.0
    frozen: np.ndarray | None = None


def without_delta(item: OperatorCase, arrays):
    """The same with the weight moved beforehand; a delta is the last input but any exponent."""
    bits = getattr(item.case.attributes, "fraction_bits", 0)
    if not bits:
        return item, arrays
    at, weight = item.reads.index("delta"), item.reads.index("weight")
    moved = effective_weight(arrays[weight], arrays[at], bits)
    kept = [moved if i == weight else array for i, array in enumerate(arrays) if i != at]
    types = tuple(t for i, t in enumerate(item.case.inputs) if i != at)
    attributes = replace(item.case.attributes, fraction_bits=0)
    return replace(item, case=replace(item.case, attributes=attributes, inputs=types)), kept


def forward(item: OperatorCase, arrays):
    """The result's real value over its scale."""
    item, arrays = without_delta(item, arrays)
    attributes, types = item.case.attributes, item.case.inputs
    if item.spec.name == "average_pool":
        return real.mean(arrays[0].astype(np.float64)) - types[0].zero_point
    if item.spec.name == "add":
        a, b = (real.dequantize(array, t) for array, t in zip(arrays, types, strict=True))
        return (a + b) / attributes.output.scale
    x = arrays[0].astype(np.float64) - types[0].zero_point
    weight = arrays[2].astype(np.float64)
    if item.spec.name in ("pointwise", "dense"):
        if attributes.trained_channels:
            weight = merge(weight, arrays[3], attributes.trained_channels, x.shape[2])
        sums = real.pointwise(x, weight)
    else:
        slide = real.depthwise if item.spec.name.endswith("depthwise") else real.conv
        sums = slide(x, weight, attributes.window)
    scales = types[0].scale * np.asarray(types[2].scales) / attributes.output.scale
    return ((sums + arrays[1]) * scales).reshape(item.outputs[0].shape)


def backward(item: OperatorCase, arrays, rng) -> Exact:
    """The exact result of a backward operator."""
    item, arrays = without_delta(item, arrays)
    return BACKWARD[item.spec.name](item, arrays, rng)


def _gradient(array, *exponents):
    power = sum(int(e[0]) >> 4 for e in exponents)
    return array.astype(np.float64) * 2.0**power


def _transposed(linear: Callable, gradient, shape, rng, inside=None):
    """⟨gradient, linear(basis vector)⟩ for some basis vectors."""
    size = int(np.prod(shape))
    allowed = np.arange(size) if inside is None else np.flatnonzero(inside)
    at = rng.choice(allowed, min(SAMPLED, len(allowed)), replace=False)
    values = np.zeros(len(at))
    for i, flat in enumerate(at):
        basis = np.zeros(size)
        basis[flat] = 1
        values[i] = (linear(basis.reshape(shape)) * gradient).sum()
    return at, values


def _scaling_slack(weight, scales, gradient_scale, taps):
    """Each scaled gradient may be off by two units of its first stage."""
    dropped = max(7, int(np.ceil(np.log2(len(scales) * taps))) - 1)
    unit = max(scales) / 32767 * 2.0**dropped * gradient_scale
    return (
        2
        * unit
        * np.abs(weight.astype(np.float64)).sum(axis=0).sum(axis=(0, 1)[: weight.ndim - 2]).max()
    )


def _pointwise_input_gradient(item, arrays, rng):
    a, types = item.case.attributes, item.case.inputs
    weight = arrays[2]
    if a.trained_channels:
        weight = merge(weight, arrays[3], a.trained_channels, a.channels)
    real_weight = weight * np.asarray(types[2].scales)[:, None]
    gradient = _gradient(arrays[0], arrays[1])
    shape = (a.height, a.width, a.channels)
    at, values = _transposed(lambda x: real.pointwise(x, real_weight), gradient, shape, rng)
    scale = 2.0 ** (int(arrays[1][0]) >> 4)
    return Exact(at, values, _scaling_slack(weight, types[2].scales, scale, 1))


def _window_input_gradient(formula):
    def exact(item, arrays, rng):
        a, types = item.case.attributes, item.case.inputs
        weight = real.dequantize(arrays[2], types[2])
        gradient = _gradient(arrays[0], arrays[1])
        at, values = _transposed(
            lambda x: formula(x, weight, a.window), gradient, a.input_shape, rng
        )
        scale = 2.0 ** (int(arrays[1][0]) >> 4)
        if formula is real.conv:
            slack = _scaling_slack(arrays[2], types[2].scales, scale, a.window.taps)
        else:
            reach = np.abs(arrays[2].astype(np.float64)).sum(axis=(0, 1)).max()
            slack = 127 * reach * scale * max(types[2].scales) / 32767
        return Exact(at, values, slack)

    return exact


def _pointwise_weight_update(item, arrays, rng):
    a, types = item.case.attributes, item.case.inputs
    x = real.dequantize(arrays[3], types[3])
    if a.trained_channels:
        x = x[:, :, list(a.trained_channels)]
    gradient = _gradient(arrays[1], arrays[2]) * 2.0 ** int(arrays[4][0])
    at, values = _transposed(lambda w: real.pointwise(x, w), gradient, types[0].shape, rng)
    return Exact(at, values / _scale_at(types[0], at))


def _window_weight_update(formula, axis):
    def exact(item, arrays, rng):
        a, types = item.case.attributes, item.case.inputs
        x = real.dequantize(arrays[3], types[3])
        gradient = _gradient(arrays[1], arrays[2]) * 2.0 ** int(arrays[4][0])
        shape = types[0].shape
        channel = np.broadcast_to(np.arange(shape[axis]), shape)
        inside = np.isin(channel, a.trained_channels or channel)
        at, values = _transposed(
            lambda w: formula(x, w, a.window), gradient, shape, rng, inside.ravel()
        )
        return Exact(at, values / _scale_at(types[0], at), frozen=~inside)

    return exact


def _scale_at(type_, at):
    """The scale of each element of a weight."""
    quantization = type_.quantization
    index = np.unravel_index(at, type_.shape)[quantization.axis]
    return np.asarray(quantization.scales)[index]


def _bias_update(item, arrays, rng):
    del rng
    given = dict(zip(item.reads, arrays, strict=True))
    gradient = _gradient(given["gradient"], given["gradient_exponent"])
    gradient = gradient * 2.0 ** int(given["loss_exponent"][0])
    values = gradient.reshape(-1, given["delta"].size).sum(axis=0)
    return Exact(np.arange(values.size), values / np.asarray(item.case.inputs[0].scales))


def _pool_input_gradient(item, arrays, rng):
    a = item.case.attributes
    gradient = _gradient(arrays[0], arrays[1])
    shape = (a.height, a.width, gradient.shape[2])
    return Exact(*_transposed(real.mean, gradient, shape, rng))


def _mean_input_gradient(item, arrays, rng):
    a = item.case.attributes
    gradient = _gradient(arrays[0], arrays[1])

    def linear(x):
        return x.mean(axis=a.axes, keepdims=True)

    return Exact(*_transposed(linear, gradient, a.shape, rng))


def _under(window, row, column, shape):
    """Positions of a map [H, W, C] under the window in this row and column of windows."""
    top, left = row * window.row_stride - window.top, column * window.column_stride - window.left
    return [
        (y, x)
        for y in range(max(top, 0), min(top + window.height, shape[0]))
        for x in range(max(left, 0), min(left + window.width, shape[1]))
    ]


def _pooled(window, shape, choose):
    """A linear map of maps: what is chosen of the elements under each window, channel by channel.

    `choose` has the places under a window and a channel, and gives a factor for each place.
    """
    rows, columns, channels = window.output_shape(shape)

    def linear(x):
        result = np.zeros((rows, columns, channels))
        for row, column, channel in np.ndindex(rows, columns, channels):
            places = _under(window, row, column, shape)
            for (y, z), factor in zip(places, choose(places, channel), strict=True):
                result[row, column, channel] += factor * x[y, z, channel]
        return result

    return linear


def _windowed_average_input_gradient(item, arrays, rng):
    a, gradient = item.case.attributes, _gradient(arrays[0], arrays[1])
    shape = (a.height, a.width, gradient.shape[2])
    linear = _pooled(a.window, shape, lambda places, _: np.full(len(places), 1 / len(places)))
    # A share is off by half of 2^-16 at most, in each window over a position.
    slack = np.abs(gradient).max() * a.window.positions * 2.0**-17
    return Exact(*_transposed(linear, gradient, shape, rng), slack)


def _max_pool_input_gradient(item, arrays, rng):
    a, gradient, x = item.case.attributes, _gradient(arrays[0], arrays[1]), arrays[2]

    def first_largest(places, channel):
        elements = [x[y, z, channel] for y, z in places]
        return np.arange(len(places)) == int(np.argmax(elements))

    linear = _pooled(a.window, x.shape, first_largest)
    return Exact(*_transposed(linear, gradient, x.shape, rng))


def _upsample_input_gradient(item, arrays, rng):
    a, gradient = item.case.attributes, _gradient(arrays[0], arrays[1])
    height, width, channels = gradient.shape
    shape = (height // a.rows, width // a.columns, channels)
    return Exact(
        *_transposed(lambda x: np.kron(x, np.ones((a.rows, a.columns, 1))), gradient, shape, rng)
    )


def _border_input_gradient(item, arrays, rng):
    a, gradient = item.case.attributes.border, _gradient(arrays[0], arrays[1])
    rows, columns, channels = gradient.shape
    shape = (rows - a.top - a.bottom, columns - a.left - a.right, channels)
    pads = ((a.top, a.bottom), (a.left, a.right), (0, 0))
    return Exact(*_transposed(lambda x: np.pad(x, pads, a.kind), gradient, shape, rng))


def _lookup_input_gradient(item, arrays, rng):
    """By differences of the function, where they are the same to both sides."""
    a, type_ = item.case.attributes, item.case.inputs[2]
    x, epsilon = real.dequantize(arrays[2], type_), 1e-6
    below, at_x, above = (real.held_function(x + step, a) for step in (-epsilon, 0, epsilon))
    above, below = above - at_x, at_x - below
    smooth = np.flatnonzero(np.abs(above - below) < 1e-3 * epsilon)
    at = rng.choice(smooth, min(SAMPLED, len(smooth)), replace=False)
    slopes = (above + below) / (2 * epsilon)
    gradient = _gradient(arrays[0], arrays[1])
    # A slope is off by half of a unit at most, of which the largest has 2^14.
    reachable = real.dequantize(np.arange(-128, 128), type_)
    unit = np.abs(np.gradient(real.function(reachable, a.function), reachable)).max() * 2.0**-14
    return Exact(at, (gradient * slopes).ravel()[at], unit * np.abs(gradient).max())


def _multiply_input_gradient(item, arrays, rng):
    other = real.dequantize(arrays[2], item.case.inputs[2])
    gradient = _gradient(arrays[0], arrays[1])
    return Exact(*_transposed(lambda a: a * other, gradient, gradient.shape, rng))


def _multiply_factor_gradient(item, arrays, rng):
    other = real.dequantize(arrays[2], item.case.inputs[2])
    gradient = _gradient(arrays[0], arrays[1])
    shape = (1, 1, gradient.shape[2])
    return Exact(*_transposed(lambda b: other * b, gradient, shape, rng))


def _gradient_sum(item, arrays, rng):
    del item, rng
    total = _gradient(arrays[0], arrays[1]) + _gradient(arrays[2], arrays[3])
    largest = max(int(arrays[1][0]) >> 4, int(arrays[3][0]) >> 4)
    return Exact(np.arange(total.size), total.ravel(), 2.0 ** (largest - 24))


#: Backward operators that round: each has the index of its result's exponent, or steps a state.
BACKWARD = {
    "pointwise_input_gradient": _pointwise_input_gradient,
    "conv_input_gradient": _window_input_gradient(real.conv),
    "depthwise_input_gradient": _window_input_gradient(real.depthwise),
    "average_pool_input_gradient": _pool_input_gradient,
    "mean_input_gradient": _mean_input_gradient,
    "windowed_average_pool_input_gradient": _windowed_average_input_gradient,
    "max_pool_input_gradient": _max_pool_input_gradient,
    "upsample_input_gradient": _upsample_input_gradient,
    "border_input_gradient": _border_input_gradient,
    "lookup_input_gradient": _lookup_input_gradient,
    "multiply_input_gradient": _multiply_input_gradient,
    "multiply_factor_gradient": _multiply_factor_gradient,
    "gradient_sum": _gradient_sum,
    "pointwise_weight_update": _pointwise_weight_update,
    "conv_weight_update": _window_weight_update(real.conv, 3),
    "depthwise_weight_update": _window_weight_update(real.depthwise, 2),
    "bias_update": _bias_update,
}
BACKWARD |= {
    f"spaced_{name}": BACKWARD[name]
    for name in (
        "conv_input_gradient",
        "depthwise_input_gradient",
        "conv_weight_update",
        "depthwise_weight_update",
    )
}
