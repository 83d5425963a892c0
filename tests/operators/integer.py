"""Gradients as the integer training step computes them, in real units, averaged over seeds."""

from collections import defaultdict
from unittest.mock import patch

import numpy as np

from kilograd.compiler import Program, compile_model
from kilograd.device.protocol import LearningRate
from kilograd.device.reference import ReferenceDevice
from kilograd.ir import DType, Graph
from kilograd.ops.spec import Gradient, StepContext
from kilograd.passes import differentiate
from kilograd.scheme import Scheme
from kilograd.targets import get_target
from operators import real

_MANTISSA = 1 << 14
#: Largest step that is measured: weights stay far from ±127, biases from their limits.
_LARGEST_STEP = {DType.INT8: 30, DType.INT16: 7000, DType.INT32: 1 << 20}


def compile_recorded(graph: Graph, scheme: Scheme) -> tuple[Program, dict[str, Gradient]]:
    """A program, and the gradient of every activation that has one."""
    recorded: dict[str, Gradient] = {}
    original = differentiate._Builder.gradient

    def recording(builder, name):
        recorded[name] = original(builder, name)
        return recorded[name]

    with patch.object(differentiate._Builder, "gradient", recording):
        return compile_model(graph, scheme, get_target("cortex-m7")), recorded


class IntegerModel:
    """A program on the reference device, its exponents adapted to one sample."""

    def __init__(self, program: Program, sample, label: int) -> None:
        self._graph = program.graph
        self._device = ReferenceDevice(program)
        self._sample = sample
        self._label = label
        for _ in range(120):
            self._device.train_step(sample, label, LearningRate(0, 0))
        self._loss_exponent = next(
            node.outputs[1] for node in self._graph.nodes if node.layer == "loss"
        )

    @property
    def activations(self):
        """Quantized values of the forward pass."""
        return self._values(0, 0)

    def activation_gradients(self, recorded, seeds: int):
        """Mean real gradient of each recorded activation."""
        sums = defaultdict(float)
        for seed in range(seeds):
            values = self._values(seed, 0)
            for name, gradient in recorded.items():
                if gradient.value in values:
                    exponent = int(values[gradient.exponent][0]) >> 4
                    exponent += int(values[self._loss_exponent][0])
                    sums[name] += values[gradient.value] * 2.0**exponent / seeds
        return dict(sums)

    def parameter_gradients(self, seeds: int):
        """Mean real gradient of each trained weight and bias, from the steps it takes."""
        sums = defaultdict(float)
        for exponent, names in self._rates().items():
            rate = _MANTISSA * 2.0**exponent
            for seed in range(seeds):
                for name, step in self._steps(seed, exponent).items():
                    if name in names:
                        sums[name] -= step / rate / seeds
        return {
            name: real.dequantize(total, self._graph.type_of(name)) for name, total in sums.items()
        }

    def _rates(self):
        """Rate exponent -> the trained tensors that take large steps with it."""
        best: dict[str, int] = {}
        for exponent in range(-36, 0, 2):
            for name, step in self._steps(0, exponent).items():
                if np.abs(step).max() <= _LARGEST_STEP[self._graph.type_of(name).dtype]:
                    best[name] = exponent
        rates = defaultdict(set)
        for name, exponent in best.items():
            rates[exponent].add(name)
        return rates

    def _steps(self, seed, exponent):
        values = self._values(seed, exponent, _MANTISSA)
        return {
            state: values[new].astype(np.int64) - values[state]
            for state, new in self._graph.updates.items()
            if self._graph.type_of(state).quantization is not None
        }

    def _values(self, seed, exponent, mantissa=0):
        context = StepContext(seed, 1000, self._label, mantissa, exponent)
        return self._device.run_all(self._sample, context)


def cosine(a, b) -> float:
    """Of the angle between two tensors."""
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


def norm_ratio(a, b) -> float:
    """How much longer a is than b."""
    return float(np.sqrt((a**2).sum() / (b**2).sum()))
