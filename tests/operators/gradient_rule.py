"""Runs an operator's gradient rule on a graph of one node, many times, by the references."""

from collections import defaultdict

import numpy as np

from kilograd.device.protocol import LearningRate
from kilograd.ir import Graph, Kind, TensorType, Value
from kilograd.ops import REGISTRY
from kilograd.ops.gradient_scale import EXPONENT, whole_exponent
from kilograd.ops.spec import Gradient, StepContext
from kilograd.passes import differentiate
from operators import real

#: Steps after which exponents have followed the magnitudes.
WARM_UP = 80
UPSTREAM, ZERO = "upstream", "zero_exponent"


class GradientRule(differentiate._Builder):
    """The gradient of ⟨upstream, result⟩ for what is wanted, as the rule of the last node says.

    Args:
        graph: ends in the node whose rule is run.
        wanted: names of the maps whose gradient is asked for.
        arrays: contents of the inputs.
        seed: of the upstream gradient, which is zero where the result is clamped.
    """

    def __init__(self, graph: Graph, wanted, arrays, seed: int) -> None:
        super().__init__(graph)
        self._wanted.update(wanted)
        node = graph.nodes[-1]
        (name,) = node.outputs
        self._inputs = dict(arrays)
        self._nodes_before = len(graph.nodes)
        result = self._evaluate(StepContext())[name]
        self.upstream = np.random.default_rng(seed).integers(-127, 128, result.shape)
        info = np.iinfo(result.dtype)
        self.upstream[(result == info.min) | (result == info.max)] = 0
        self.upstream = self.upstream.astype(np.int8)
        zero = np.zeros(1, np.int32)
        constants = {UPSTREAM: (TensorType(result.shape), self.upstream), ZERO: (EXPONENT, zero)}
        for key, (type_, data) in constants.items():
            self._values[key] = Value(key, type_, Kind.CONSTANT, data)
        self._loss_exponent = ZERO
        self.contribute(name, Gradient(UPSTREAM, ZERO, 6.0))
        REGISTRY[node.operator].gradient(node, graph, self)
        self._states = {n: v.array for n, v in self._values.items() if v.kind is Kind.STATE}
        for step in range(WARM_UP):
            values = self._evaluate(StepContext(seed, step))
            for state, new in self._updates.items():
                if self._values[state].type.quantization is None:
                    self._states[state] = values[new]

    def reaches(self, name: str) -> bool:
        return self.has_gradient(name)

    def mean_gradient(self, name: str, draws: int):
        """Mean over roundings of the real gradient of a map, and the unit of one rounding."""
        gradient = self.gradient(name)
        unit = 2.0 ** whole_exponent(self._states.get(gradient.exponent, np.zeros(1, np.int32)))
        values = [self._evaluate(StepContext(s, 7 * s))[gradient.value] for s in range(draws)]
        return np.mean(values, axis=0) * unit, unit

    def mean_updates(self, draws: int):
        """For each trained state: mean real step over −rate, and the unit of one rounding."""
        found = {}
        for state, new in self._updates.items():
            type_ = self._values[state].type
            if type_.quantization is None:
                continue
            rate = self._rate(state, new)
            sums = defaultdict(float)
            for seed in range(draws):
                sums[state] += self._step(state, new, rate, seed) / draws
            scales = real.dequantize(np.ones(type_.shape), type_)
            found[state] = (-sums[state] * scales / rate.value, scales / rate.value)
        return found

    def _rate(self, state, new) -> LearningRate:
        """One that moves the state by some tens of units at most."""
        for power in range(-60, 20):
            rate = LearningRate.from_float(2.0**power)
            if np.abs(self._step(state, new, rate, 0)).max() >= 8:
                return rate
        message = f"{state} never moves"
        raise AssertionError(message)

    def _step(self, state, new, rate: LearningRate, seed: int):
        context = StepContext(seed, 5, 0, rate.mantissa, rate.exponent)
        return self._evaluate(context)[new].astype(np.int64) - self._states[state]

    def _evaluate(self, context: StepContext):
        values = {n: v.array for n, v in self._values.items() if v.data is not None}
        values |= getattr(self, "_states", {}) | self._inputs
        for node in self._nodes:
            results = REGISTRY[node.operator].reference(
                node.attributes,
                [self._values[name].type for name in node.inputs],
                [values[name] for name in node.inputs],
                context,
            )
            values.update(zip(node.outputs, results, strict=True))
        return values
