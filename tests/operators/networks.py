"""Small networks with odd channel counts, calibrated so that few activations are clamped."""

import numpy as np

from kilograd.frontend.builder import GraphBuilder, Parameters
from kilograd.ir import Graph, Phase, Quantization
from kilograd.ops.common.window import Window
from kilograd.ops.lookup.functions import Function
from kilograd.ops.pointwise.split import merge
from operators import real

INPUT = Quantization((0.03,), -3)


class Network:
    """A `GraphBuilder` that draws parameters and calibrates the quantization of results."""

    def __init__(self, seed: int, shape: tuple[int, int, int]) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = GraphBuilder("small", *shape, INPUT)
        samples = self.rng.integers(-128, 128, (3, *shape))
        self.reals = {"input": [(s - INPUT.zero_point) * INPUT.scale for s in samples]}

    def conv(self, layer, x, outputs, window, *, relu=True):
        channels = self.builder.type_of(x).shape[2]
        shape = (outputs, window.height, window.width, channels)
        p, weight, bias = self._parameters(x, shape, axis=0)
        reals = [real.conv(r, weight, window) + bias for r in self.reals[x]]
        return self.builder.conv(layer, x, p, window, self._calibrated(layer, reals, relu=relu))

    def depthwise(self, layer, x, window, *, relu=True):
        channels = self.builder.type_of(x).shape[2]
        p, weight, bias = self._parameters(x, (window.height, window.width, channels), axis=2)
        reals = [real.depthwise(r, weight, window) + bias for r in self.reals[x]]
        output = self._calibrated(layer, reals, relu=relu)
        return self.builder.depthwise(layer, x, p, window, output)

    def pointwise(self, layer, x, outputs, *, relu=False):
        channels = self.builder.type_of(x).shape[2]
        p, weight, bias = self._parameters(x, (outputs, channels), axis=0)
        reals = [real.pointwise(r, weight) + bias for r in self.reals[x]]
        return self.builder.pointwise(layer, x, p, self._calibrated(layer, reals, relu=relu))

    def add(self, layer, a, b):
        reals = [x + y for x, y in zip(self.reals[a], self.reals[b], strict=True)]
        return self.builder.add(layer, a, b, self._calibrated(layer, reals, relu=False))

    def lookup(self, layer, x, name, output=None):
        function = Function(name)
        reals = [real.function(r, function) for r in self.reals[x]]
        output = output or self._calibrated(layer, reals, relu=False)
        self.reals[layer] = reals
        return self.builder.lookup(layer, x, function, output)

    def multiply(self, layer, a, b):
        reals = [x * y for x, y in zip(self.reals[a], self.reals[b], strict=True)]
        return self.builder.multiply(layer, a, b, self._calibrated(layer, reals, relu=False))

    def mean(self, layer, x):
        reals = [real.mean(r) for r in self.reals[x]]
        return self.builder.mean(layer, x, self._calibrated(layer, reals, relu=False))

    def squeeze_excite(self, block, x, squeezed):
        """A map scaled by what is made of the means of its channels."""
        channels = self.builder.type_of(x).shape[2]
        y = self.pointwise(f"{block}.squeeze", self.mean(f"{block}.mean", x), squeezed, relu=True)
        y = self.pointwise(f"{block}.excite", y, channels)
        gate = self.lookup(f"{block}.gate", y, "logistic", Quantization((1 / 256,), -128))
        return self.multiply(f"{block}.scale", x, gate)

    def finish(self, x, classes) -> Graph:
        pooled = self.builder.average_pool("pool", x)
        channels = self.builder.type_of(x).shape[2]
        p, _, _ = self._parameters(pooled, (classes, channels), axis=0)
        return self.builder.finish(self.builder.dense("head", pooled, p))

    def _parameters(self, x, shape, axis):
        outputs = shape[axis]
        fan_in = np.prod(shape) // outputs
        weight = self.rng.integers(-90, 91, shape).astype(np.int8)
        spread = 1.3 / (52 * np.sqrt(fan_in))
        scales = np.array([short(s) for s in self.rng.uniform(0.6, 1.6, outputs) * spread])
        bias_scales = scales * self.builder.type_of(x).scale
        bias = np.rint(self.rng.normal(0.1, 0.2, outputs) / bias_scales).astype(np.int32)
        along = [1] * len(shape)
        along[axis] = -1
        return Parameters(weight, bias, scales), weight * scales.reshape(along), bias * bias_scales

    def _calibrated(self, layer, reals, *, relu):
        reals = [np.maximum(r, 0) if relu else r for r in reals]
        self.reals[layer] = reals
        low = min(float(np.min(reals)), 0.0)
        high = max(float(np.max(reals)), low + 0.1)
        scale = short(1.05 * (high - low) / 255)
        return Quantization((scale,), int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def short(scale: float) -> float:
    """Three digits: the same on every computer, and readable in a text."""
    return float(f"{scale:.3g}")


def residual_network(seed: int = 1, classes: int = 5) -> Graph:
    """All forward operators: a stem, a residual block, a strided block, pool and head."""
    network = Network(seed, (8, 8, 3))
    stem = network.conv("stem", "input", 5, Window.same(3, 2))
    x = network.pointwise("block1.expand", stem, 9, relu=True)
    x = network.depthwise("block1.depthwise", x, Window.same(3))
    x = network.pointwise("block1.project", x, 5)
    x = network.add("block1.join", stem, x)
    x = network.pointwise("block2.expand", x, 7, relu=True)
    x = network.depthwise("block2.depthwise", x, Window.same(5, 2))
    x = network.pointwise("block2.project", x, 6)
    return network.finish(x, classes)


def deep_network(seed: int = 0, classes: int = 3) -> Graph:
    """Residual blocks of which whole rows of bits fill bytes, and that widen fourfold."""
    network = Network(seed, (8, 8, 8))
    x = "input"
    for block in range(5):
        name = f"blocks.{block}"
        y = network.pointwise(f"{name}.expand", x, 32, relu=True)
        y = network.depthwise(f"{name}.depthwise", y, Window.same(3))
        x = network.add(f"{name}.join", x, network.pointwise(f"{name}.project", y, 8))
    return network.finish(x, classes)


def squeeze_excite_network(
    seed: int = 1, classes: int = 4, size: int = 8, channels: tuple[int, ...] = (6, 10, 8)
) -> Graph:
    """Two blocks with squeeze-and-excite and hard swish, one of them a residual."""
    network = Network(seed, (size, size, 3))
    narrow, *wide = channels
    x = network.conv("stem", "input", narrow, Window.same(3, 2), relu=False)
    x = entry = network.lookup("swish", x, "hard_swish")
    x = network.pointwise("block1.expand", x, wide[0])
    x = network.lookup("block1.swish", x, "hard_swish")
    x = network.depthwise("block1.depthwise", x, Window.same(3), relu=True)
    x = network.squeeze_excite("block1", x, 4)
    x = network.add("block1.join", entry, network.pointwise("block1.project", x, narrow))
    x = network.pointwise("block2.expand", x, wide[1])
    x = network.depthwise("block2.depthwise", x, Window.same(3, 2), relu=False)
    x = network.squeeze_excite("block2", x, 4)
    x = network.lookup("block2.swish", x, "hard_swish")
    return network.finish(network.pointwise("block2.project", x, 7), classes)


def random_network(seed: int) -> Graph:
    """Blocks of random shapes; some nodes are read by several others."""
    network = Network(seed, tuple(int(n) for n in np.random.default_rng(seed).integers(1, 8, 3)))
    rng = network.rng
    x = network.conv(
        "stem", "input", int(rng.integers(1, 8)), Window.same(3, int(rng.integers(1, 3)))
    )
    for block in range(int(rng.integers(0, 4))):
        entry = x
        channels = network.builder.type_of(x).shape[2]
        kernel, stride = int(rng.choice([1, 3, 5])), int(rng.choice([1, 1, 2]))
        outputs = channels if rng.random() < 0.7 else int(rng.integers(1, 9))
        name = f"blocks.{block}"
        x = network.pointwise(f"{name}.expand", x, int(rng.integers(1, 12)), relu=True)
        x = network.depthwise(f"{name}.depthwise", x, Window.same(kernel, stride))
        x = network.pointwise(f"{name}.project", x, outputs)
        if network.builder.type_of(x).shape == network.builder.type_of(entry).shape:
            x = network.add(f"{name}.join", entry, x)
        if rng.random() < 0.3:
            x = network.add(f"{name}.twice", x, x)
    return network.finish(x, int(rng.integers(2, 6)))


def samples(graph: Graph, count: int, seed: int = 0):
    """Random int8 inputs."""
    shape = graph.inputs[0].type.shape
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, (count, *shape)).astype(np.int8)


#: Formulas of operators that read maps only and clamp.
_ELEMENTWISE = {"add": lambda a, b: a + b, "multiply": lambda a, b: a * b, "mean": real.mean}


class RealModel:
    """A graph's inference in float64 with its quantized parameters, clamped but not rounded.

    Where ``quantized`` activations are given, an element is clamped where its quantized
    counterpart is, so that rounding near a clamp's ends makes no difference.
    """

    def __init__(self, graph: Graph, quantized=None) -> None:
        self.graph = graph
        self.quantized = quantized or {}
        self.offsets = {}
        self.nodes = [node for node in graph.nodes if node.phase is Phase.INFERENCE]
        self.parameters = {
            value.name: real.dequantize(value.array, value.type)
            for value in (*graph.states, *graph.constants)
            if value.type.quantization is not None
        }

    def anchored(self, x):
        """The same with each activation moved to its quantized value, where gradients are taken."""
        for node in self.nodes:
            (name,) = node.outputs
            type_ = self.graph.type_of(name)
            if name in self.quantized and type_.quantization is not None:
                held = real.dequantize(self.quantized[name], type_)
                self.offsets[name] = held - self.run(x)[name]
        return self

    def run(self, x, parameters=None, added=None):
        """All real activations; ``added`` is put on top of the activations it names."""
        known = {**self.parameters, **(parameters or {})}
        added = added or {}
        entry = self.graph.inputs[0]
        known[entry.name] = x + added.get(entry.name, 0)
        for node in self.nodes:
            (name,) = node.outputs
            made = self._compute(node, [known[i] for i in node.inputs])
            known[name] = made + self.offsets.get(name, 0) + added.get(name, 0)
        return known

    def loss(self, x, label, parameters=None, added=None) -> float:
        return real.loss(self.run(x, parameters, added)[self.graph.outputs[0]], label)

    def _compute(self, node, inputs):
        attributes = node.attributes
        if node.operator == "average_pool":
            return real.mean(inputs[0])
        if node.operator in ("apply_delta", "apply_bias_delta"):
            return sum(inputs)
        if node.operator == "lookup":
            return real.held_function(inputs[0], attributes)
        if node.operator in _ELEMENTWISE:
            return self._clamp(_ELEMENTWISE[node.operator](*inputs), node.outputs[0])
        x, bias, weight, *frozen = inputs
        if getattr(attributes, "fraction_bits", 0):
            weight = weight + frozen.pop()
        if frozen:
            weight = merge(weight, frozen[0], attributes.trained_channels, x.shape[-1])
        if node.operator == "dense":
            return (real.pointwise(x, weight) + bias)[0, 0]
        if node.operator == "pointwise":
            return self._clamp(real.pointwise(x, weight) + bias, node.outputs[0])
        formula = real.depthwise if node.operator.endswith("depthwise") else real.conv
        return self._clamp(formula(x, weight, attributes.window) + bias, node.outputs[0])

    def _clamp(self, values, name):
        type_ = self.graph.type_of(name)
        if name not in self.quantized:
            return real.clamp(values, type_)
        q = self.quantized[name]
        return np.where((q > -128) & (q < 127), values, real.dequantize(q, type_))
