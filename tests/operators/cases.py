"""All cases that operators are tested on: the registry's own, and seeded random shapes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops import REGISTRY, OpSpec
from kilograd.ops.arithmetic import bias_limit
from kilograd.ops.common.layers import weight_parts
from kilograd.ops.common.window import Window
from kilograd.ops.common.windowed import WindowedAttributes
from kilograd.ops.common.windowed_backward import WindowGradientAttributes
from kilograd.ops.delta.op import Precision, delta_type
from kilograd.ops.gradient_scale import EXPONENT
from kilograd.ops.lookup.functions import FUNCTIONS, Function
from kilograd.ops.lookup.op import LookupAttributes, LookupGradientAttributes
from kilograd.ops.lookup.tables import rounded_table, slope_table
from kilograd.ops.multiply.op import MultiplyAttributes
from kilograd.ops.pointwise.input_gradient import InputGradientAttributes
from kilograd.ops.pointwise.op import PointwiseAttributes
from kilograd.ops.pointwise.weight_update import WeightUpdateAttributes
from kilograd.ops.spaced.window import SpacedAttributes, SpacedGradientAttributes, SpacedWindow
from kilograd.ops.spec import Case, RngAttributes

RANDOM_SHAPES = 8


@dataclass(frozen=True)
class OperatorCase:
    """One case with its operator; ``alias`` is the input that output 0 overwrites, if any."""

    spec: OpSpec
    case: Case
    alias: int | None = None

    def __str__(self):
        suffix = "" if self.alias is None else f"-over{self.alias}"
        return f"{self.spec.name}-{self.case.name}{suffix}"

    @property
    def outputs(self):
        return self.spec.infer(self.case.attributes, self.case.inputs)

    @property
    def kernel(self):
        return self.spec.kernel(self.case.attributes, self.case.inputs)

    @property
    def types(self):
        """Of the inputs, by operand."""
        return self.spec.bind(self.case.attributes, self.case.inputs)

    @property
    def reads(self):
        """Names of the operands that are there."""
        return self.types.names()

    def call(self, features):
        """In the best variant for a target with these features."""
        return self.kernel.best(features)

    def scratch_bytes(self, features):
        own = self.call(features).scratch_bytes
        if self.alias is None:
            return own
        return own + self.spec.in_place_bytes(self.case.attributes, self.case.inputs)

    @property
    def overwrites(self):
        """Output index -> input index that it must overwrite."""
        return {
            self.spec.results.index(new): self.reads.index(old)
            for new, old in self.spec.updates.items()
        }


def all_cases() -> list[OperatorCase]:
    """The registry's cases, in place and not, and the random ones."""
    own = [item for spec in REGISTRY.values() for case in spec.cases() for item in _of(spec, case)]
    random = [item for pair in _random_cases() for item in _of(*pair)]
    return [*own, *_full_biases(own), *_extreme_scales(own), *random]


def _of(spec: OpSpec, case: Case) -> Iterator[OperatorCase]:
    """With memory of its own, and over each input of its size that the result may overwrite."""
    whole = OperatorCase(spec, case)
    yield whole
    for operand in spec.reuses.get(spec.results[0], ()):
        alias = whole.reads.index(operand)
        if case.inputs[alias].nbytes == whole.outputs[0].nbytes:
            yield replace(whole, alias=alias)


def _full_biases(cases: list[OperatorCase]) -> Iterator[OperatorCase]:
    """Forward layers with biases up to the limit that a bias step may drive them to."""
    for item in cases:
        if item.spec.has_weights:
            terms = sum(t.size for t in weight_parts(item.types)) // item.types.bias.size
            limit = bias_limit(terms) - terms * 255  # a frozen weight may be -128
            low, high = {**item.case.low, "bias": -limit}, {**item.case.high, "bias": limit}
            yield replace(
                item, case=replace(item.case, name=f"{item.case.name}-bias", low=low, high=high)
            )


def _has_delta(item: OperatorCase) -> bool:
    return getattr(item.case.attributes, "fraction_bits", 0) > 0


def _extreme_scales(cases: list[OperatorCase]) -> Iterator[OperatorCase]:
    """Forward layers whose requantization shifts as far as it can, to both sides."""
    for item in cases:
        if item.spec.has_weights:
            x, bias, *weights = item.case.inputs
            output = item.case.attributes.output.scale
            count = len(weights[0].scales)
            shifts = [(-40, -32, -31, -30, 0, 1, 12, 29)[i % 8] for i in range(count)]
            scales = tuple(2.0**shift * 0.7 * output / x.scale for shift in shifts)
            weights = [
                replace(w, quantization=Quantization(scales, 0, w.quantization.axis))
                for w in weights
            ]
            if _has_delta(item):
                bits = item.case.attributes.fraction_bits
                weights[-1] = delta_type(weights[0], Precision(DType.INT8, bits))
            case = replace(item.case, name=f"{item.case.name}-scales", inputs=(x, bias, *weights))
            yield replace(item, case=case)


def _random_cases() -> Iterator[tuple[OpSpec, Case]]:
    rng = np.random.default_rng(20240607)
    for index in range(RANDOM_SHAPES):
        yield from _random_pointwise(rng, f"random{index}", position=False)
        yield from _random_pointwise(rng, f"random{index}", position=True)
        yield from _random_window(rng, f"random{index}")
    rng = np.random.default_rng(20261127)
    for index in range(RANDOM_SHAPES):
        yield from _random_product(rng, f"random{index}")
    for known in sorted(FUNCTIONS.keys() - {"points"}):
        yield from _random_function(rng, known)
    rng = np.random.default_rng(20261128)
    for index in range(RANDOM_SHAPES):
        yield from _random_spaced_window(rng, f"random{index}")
    waves = np.sin(np.linspace(-3, 3, 256)).tolist()
    yield from _random_function(rng, "points", (-3.0, 6 / 255, *waves))


def _quantized(rng, shape):
    scale = float(np.exp(rng.uniform(-5, 0)))
    return TensorType(shape, DType.INT8, Quantization((scale,), int(rng.integers(-128, 128))))


def _weight(rng, shape, channels, axis=0):
    scales = tuple(float(s) for s in np.exp(rng.uniform(-9, -3, channels)))
    return TensorType(shape, DType.INT8, Quantization(scales, 0, axis))


def _output(rng):
    return Quantization((float(np.exp(rng.uniform(-4, 1))),), int(rng.integers(-128, 128)))


def _forward(name, attributes, x, channels, weights):
    terms = sum(weight.size for weight in weights) // channels
    limit = min(bias_limit(terms), 1 << 16)
    inputs = (x, TensorType((channels,), DType.INT32), *weights)
    low = {"bias": -limit}
    return Case(name, attributes, inputs, low=low, high={"bias": limit})


def _input_gradient(name, attributes, gradient, weights):
    low = {"gradient": -127, "gradient_exponent": -160, "result_exponent": -200}
    inputs = (gradient, EXPONENT, *weights, EXPONENT)
    high = {"gradient_exponent": 160, "result_exponent": 200}
    return Case(name, attributes, inputs, low=low, high=high)


def _weight_update(name, attributes, weight, gradient, x):
    inputs = (weight, gradient, EXPONENT, x, EXPONENT)
    low = {"weight": -127, "gradient": -127, "gradient_exponent": -300, "loss_exponent": -30}
    return Case(
        name, attributes, inputs, low=low, high={"gradient_exponent": 100, "loss_exponent": 0}
    )


def _random_pointwise(rng, name, *, position):
    height, width = (1, 1) if position else (int(n) for n in rng.integers(1, 7, 2))
    channels, outputs = (int(n) for n in rng.integers(1, 45, 2))
    trained = ()
    if channels > 1 and rng.random() < 0.6:
        count = int(rng.integers(1, channels))
        trained = tuple(sorted(int(c) for c in rng.choice(channels, count, replace=False)))
    whole = _weight(rng, (outputs, channels), outputs)
    widths = [len(trained), channels - len(trained)] if trained else [channels]
    weights = [replace(whole, shape=(outputs, w)) for w in widths]
    x = _quantized(rng, (height, width, channels))
    spec = REGISTRY["dense" if position else "pointwise"]
    output = Quantization((2.0**-16,)) if position else _output(rng)
    yield spec, _forward(name, PointwiseAttributes(output, trained), x, outputs, weights)
    name += "dense" if position else ""
    gradient = TensorType((height, width, outputs))
    attributes = InputGradientAttributes(height, width, channels, trained, int(rng.integers(99)))
    yield (
        REGISTRY["pointwise_input_gradient"],
        _input_gradient(name, attributes, gradient, weights),
    )
    step = WeightUpdateAttributes(trained, int(rng.integers(99)))
    yield (
        REGISTRY["pointwise_weight_update"],
        _weight_update(name, step, weights[0], gradient, x),
    )


def _exponents(inputs, name, attributes):
    """A case of a backward operator that multiplies a gradient."""
    low = {"gradient": -127, "gradient_exponent": -160, "result_exponent": -200}
    high = {"gradient_exponent": 160, "result_exponent": 200}
    return Case(name, attributes, inputs, low=low, high=high)


def _random_product(rng, name):
    height, width, channels = (int(n) for n in rng.integers(1, (7, 7, 40)))
    shape = (height, width, channels)
    a, b = (
        _quantized(rng, shape),
        _quantized(rng, shape if rng.random() < 0.4 else (1, 1, channels)),
    )
    scale = float(a.scale * b.scale * np.exp(rng.uniform(5, 6.5)))  # of products up to 2^14
    output = Quantization((scale,), int(rng.integers(-15, 16)))
    yield REGISTRY["multiply"], Case(name, MultiplyAttributes(output), (a, b))
    attributes = RngAttributes(int(rng.integers(99)))
    for task, other in (("input", b), ("factor", a)):
        inputs = (TensorType(shape), EXPONENT, other, EXPONENT)
        operator = REGISTRY[f"multiply_{task}_gradient"]
        yield operator, _exponents(inputs, name, attributes)


#: Entries of a table for small numbers.
_SMALL = slice(119, 138)


def _random_function(rng, known, parameters=None):
    shape = tuple(int(n) for n in rng.integers(1, 7, 3))
    if parameters is None:
        parameters = sorted(rng.uniform(0.1, 1.5, FUNCTIONS[known].parameters).tolist())
    function = Function(known, tuple(parameters))
    clamped, is_flat = 1.0, True
    while clamped > 0.5 or is_flat:
        x, output = _quantized(rng, shape), _output(rng)
        table = rounded_table(function, x.quantization, output)
        clamped = np.mean(np.isin(table, (-128, 127)))
        # Small numbers are not all where the function saturates: slopes have few bits there.
        slopes = np.abs(slope_table(function, x.quantization, output)[0])
        is_flat = slopes[_SMALL].max() < slopes.max() / 64
    yield REGISTRY["lookup"], Case(known, LookupAttributes(function, output, table), (x,))
    attributes = LookupGradientAttributes(function, output, int(rng.integers(99)))
    inputs = (TensorType(shape), EXPONENT, x, EXPONENT)
    yield REGISTRY["lookup_input_gradient"], _exponents(inputs, known, attributes)


def _random_geometry(rng, is_spaced):
    while True:
        kernel = [int(n) for n in rng.integers(1, 6, 2)]
        pads = [int(rng.integers(0, k)) for k in (kernel[0], kernel[0], kernel[1], kernel[1])]
        stride = int(rng.integers(1, 4))
        if is_spaced:
            window = SpacedWindow(*kernel, stride, *pads, *(int(n) for n in rng.integers(1, 4, 3)))
        else:
            window = Window(*kernel, stride, *pads)
        height, width = (int(n) for n in rng.integers(1, 10, 2))
        try:
            return window, height, width, window.output_shape(height, width)
        except ValueError:
            continue


def _share(rng, channels):
    if rng.random() < 0.5:
        return ()
    count = int(rng.integers(1, channels + 1))
    return tuple(sorted(int(c) for c in rng.choice(channels, count, replace=False)))


def _random_window(rng, name):
    yield from _windowed(rng, name, "", WindowedAttributes, WindowGradientAttributes)


def _random_spaced_window(rng, name):
    yield from _windowed(rng, name, "spaced_", SpacedAttributes, SpacedGradientAttributes)


def _windowed(rng, name, kind, forward, backward):
    window, height, width, (rows, columns) = _random_geometry(rng, kind == "spaced_")
    channels, outputs = (int(n) for n in rng.integers(1, 12, 2))
    x = _quantized(rng, (height, width, channels))
    weight = _weight(rng, (outputs, window.height, window.width, channels), outputs)
    yield (
        REGISTRY[f"{kind}conv"],
        _forward(name, forward(window, _output(rng)), x, outputs, [weight]),
    )
    rng_stream, trained = int(rng.integers(99)), _share(rng, channels)
    attributes = backward(window, x.shape, rng_stream, trained)
    gradient = TensorType((rows, columns, outputs))
    yield (
        REGISTRY[f"{kind}conv_input_gradient"],
        _input_gradient(name, attributes, gradient, [weight]),
    )
    yield (
        REGISTRY[f"{kind}conv_weight_update"],
        _weight_update(name, attributes, weight, gradient, x),
    )

    channels = int(rng.integers(1, 70))
    trained = _share(rng, channels)
    x = _quantized(rng, (height, width, channels))
    weight = _weight(rng, (window.height, window.width, channels), channels, axis=2)
    yield (
        REGISTRY[f"{kind}depthwise"],
        _forward(name, forward(window, _output(rng)), x, channels, [weight]),
    )
    attributes = backward(window, x.shape, rng_stream, trained)
    gradient = TensorType((rows, columns, channels))
    yield (
        REGISTRY[f"{kind}depthwise_input_gradient"],
        _input_gradient(name, attributes, gradient, [weight]),
    )
    yield (
        REGISTRY[f"{kind}depthwise_weight_update"],
        _weight_update(name, attributes, weight, gradient, x),
    )
