"""How far the sample that a network makes again is from the one that it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, LabelKind, Quantization, TensorType
from kilograd.ops.gradient_scale import EXPONENT
from kilograd.ops.loss.op import rounded_loss
from kilograd.ops.spec import (
    PLAIN,
    Array,
    Case,
    Control,
    Input,
    Kernel,
    OpSpec,
    Output,
    RngAttributes,
    Role,
    StepContext,
    Use,
    required,
)

#: Of reconstruction errors.
ERROR_SCALE = 2.0**-28
#: A reconstruction error of this size is a loss spike: a root mean square of 1.
SPIKE = 1 << 28
#: Up to this difference of an element, in Q30, the loss is a square.
_DELTA = 1 << 30
#: A difference counts in Q14, and 2 at most.
_DROPPED_BITS, _MOST = 16, (1 << 15) - 1


@dataclass(frozen=True)
class ReconstructionAttributes:
    """Attributes of ``reconstruction_error``.

    Attributes:
        unit: of the sample's real values, what is 1 in the reconstruction's.
    """

    unit: float


@dataclass(frozen=True)
class ReconstructionLossAttributes:
    """Attributes of ``reconstruction_loss``.

    Attributes:
        unit: as of ``reconstruction_error``.
        rng_stream: of the stochastic rounding; different for every node of a graph.
    """

    unit: float
    rng_stream: int


def _factors(reconstruction: TensorType, sample: TensorType, unit: float) -> tuple[int, int]:
    """Both tensors' steps in Q30."""
    steps = [reconstruction.scale, sample.scale / unit]
    factors = [round(step * (1 << 30)) for step in steps]
    if not 0 < min(factors) <= max(factors) <= 1 << 30:
        msg = f"a step of int8 must be between 2^-30 and 1, and these are {steps}"
        raise ValueError(msg)
    return factors[0], factors[1]


def _differences(
    types: Sequence[TensorType], arrays: Sequence[Array], unit: float
) -> NDArray[np.int64]:
    """Reconstruction less sample, in Q30."""
    reconstruction, sample = (
        array.astype(np.int64).reshape(-1) - type_.zero_point
        for type_, array in zip(types, arrays, strict=True)
    )
    factor, sample_factor = _factors(types[0], types[1], unit)
    return reconstruction * factor - sample * sample_factor


def _fields(types: Sequence[TensorType], unit: float) -> dict[str, Any]:
    reconstruction, sample = types
    factor, sample_factor = _factors(reconstruction, sample, unit)
    return {
        "elements": reconstruction.size,
        "zero_point": reconstruction.zero_point,
        "factor": factor,
        "sample_zero_point": sample.zero_point,
        "sample_factor": sample_factor,
    }


def _check(types: Sequence[TensorType], unit: float) -> None:
    reconstruction, sample = types
    if reconstruction.size != sample.size:
        msg = f"{reconstruction.size} elements are no sample of {sample.size}"
        raise ValueError(msg)
    if {reconstruction.dtype, sample.dtype} != {DType.INT8}:
        msg = "a sample and its reconstruction must be int8"
        raise ValueError(msg)
    _factors(reconstruction, sample, unit)


def _case_types(steps: tuple[float, float], zero_points: tuple[int, int]) -> list[TensorType]:
    return [
        TensorType(shape, DType.INT8, Quantization((step,), zero_point))
        for shape, step, zero_point in zip(((1, 1, 30), (2, 5, 3)), steps, zero_points, strict=True)
    ]


#: Steps of a reconstruction and of its sample, their zero points, and the sample's unit.
_QUANTIZATIONS = (
    ((1 / 128, 0.05), (0, -7), 6.5),
    ((1 / 256, 1 / 256), (-128, -128), 1.0),
    ((0.9, 1 / 1000), (127, -128), 2.0),
)


class ReconstructionError(OpSpec[ReconstructionAttributes]):
    """The mean squared difference of a sample and what a network makes of it.

    Inputs: reconstruction int8 and sample int8, of as many elements, in any shapes. Output: error
    int32[1], scale 2^−28, in squared units of the reconstruction; a difference counts as 2 at most.
    """

    name = "reconstruction_error"
    attributes_type = ReconstructionAttributes
    operands = required("reconstruction", "sample")
    results = ("error",)

    def infer(
        self, attributes: ReconstructionAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """One number."""
        _check(inputs, attributes.unit)
        return (TensorType((1,), DType.INT32, Quantization((ERROR_SCALE,), 0)),)

    def reference(
        self,
        attributes: ReconstructionAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """The sum of squares, divided by the number of elements and rounded down."""
        del context
        differences = _differences(inputs, arrays, attributes.unit) >> _DROPPED_BITS
        total = int(np.square(np.clip(differences, -_MOST, _MOST)).sum())
        return (np.array([total // inputs[0].size], np.int32),)

    def kernel(self, attributes: ReconstructionAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_reconstruction_error."""
        arguments = (Input("reconstruction"), Input("sample"), Output("error"))
        return Kernel(self.name, _fields(inputs, attributes.unit), arguments)

    def cases(self) -> Sequence[Case]:
        """Steps that are alike and that are not."""
        return [
            Case(f"steps{index}", ReconstructionAttributes(unit), tuple(_case_types(steps, zeros)))
            for index, (steps, zeros, unit) in enumerate(_QUANTIZATIONS)
        ]


class ReconstructionLoss(OpSpec[ReconstructionLossAttributes]):
    """Of each difference e, e² / 2 up to |e| = 1 and |e| − 1/2 beyond; their sum.

    Inputs: reconstruction and sample as of ``reconstruction_error``, and the error that this found.
    Outputs: the gradient with respect to the reconstruction, int8 in its shape, and its exponent,
    normalized for each sample as of other losses (Huber, 1964). There is no label: it is 0.
    """

    name = "reconstruction_loss"
    attributes_type = ReconstructionLossAttributes
    role = Role.LOSS
    label_kind = LabelKind.ANOMALY
    operands = required("reconstruction", "sample", "error")
    results = ("gradient", "loss_exponent")

    def begin(
        self, graph: Graph, rng_stream: int
    ) -> tuple[Mapping[str, str], ReconstructionLossAttributes]:
        """What the error that the graph ends with is made of."""
        node = graph.producer()[graph.outputs[0]]
        reconstruction, sample = node.inputs
        reads = {"reconstruction": reconstruction, "sample": sample, "error": node.outputs[0]}
        return reads, ReconstructionLossAttributes(node.attributes.unit, rng_stream)

    def infer(
        self, attributes: ReconstructionLossAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """A gradient of the reconstruction's shape, and its exponent."""
        reads = self.bind(attributes, inputs)
        _check((reads.reconstruction, reads.sample), attributes.unit)
        if reads.error.dtype is not DType.INT32 or reads.error.scale != ERROR_SCALE:
            msg = "an error must be int32 with scale 2^-28"
            raise ValueError(msg)
        return (TensorType(reads.reconstruction.shape), EXPONENT)

    def reference(
        self,
        attributes: ReconstructionLossAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Differences, each 1 at most, normalized, rounded stochastically."""
        reads = self.bind(attributes, arrays)
        context.counters.loss_spikes += int(reads.error[0] >= SPIKE)
        differences = _differences(inputs[:2], arrays[:2], attributes.unit)
        stream = RngAttributes(attributes.rng_stream)
        found, exponent = rounded_loss(np.clip(differences, -_DELTA, _DELTA), stream, context)
        return found.reshape(reads.reconstruction.shape), exponent

    def kernel(
        self, attributes: ReconstructionLossAttributes, inputs: Sequence[TensorType]
    ) -> Kernel:
        """kg_reconstruction_loss."""
        fields = _fields(inputs[:2], attributes.unit) | {"rng_stream": attributes.rng_stream}
        reads = tuple(Input(operand.name) for operand in self.operands)
        arguments = (Control(), *reads, Output("gradient"), Output("loss_exponent"))
        return Kernel(self.name, fields, arguments, {PLAIN: Use()})

    def cases(self) -> Sequence[Case]:
        """As of ``reconstruction_error``."""
        error = TensorType((1,), DType.INT32, Quantization((ERROR_SCALE,), 0))
        return [
            Case(
                f"steps{index}",
                ReconstructionLossAttributes(unit, 7),
                (*_case_types(steps, zeros), error),
                low={"error": 0},
                high={"error": 1 << 30},
            )
            for index, (steps, zeros, unit) in enumerate(_QUANTIZATIONS)
        ]
