"""A trained bias is its base, which stays in flash, moved by a delta, which is the state.

The delta has 16 bits and the bias's own unit: training moves a bias by far less than it is wide
(docs/numerics.md, section 7). There is one update for all layers, since a bias sees nothing but
its channel's summed gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.arithmetic import bias_limit, channel_mantissas
from kilograd.ops.common.update import fixed_point_step, stepped_bias_delta
from kilograd.ops.gradient_scale import EXPONENT, check_exponents, whole_exponent
from kilograd.ops.operands import Operands
from kilograd.ops.spec import (
    DSP,
    HOST,
    PLAIN,
    Array,
    Case,
    Control,
    Input,
    Kernel,
    Operand,
    OpSpec,
    Output,
    StepContext,
    Use,
    required,
)


def bias_base_type(bias: TensorType, array: Array) -> TensorType:
    """Type of the base that a bias with these contents becomes: 16 bits where they fit."""
    limits = np.iinfo(np.int16)
    fits = array.min() >= limits.min and array.max() <= limits.max
    return TensorType(bias.shape, DType.INT16 if fits else DType.INT32, bias.quantization)


def bias_delta_type(bias: TensorType) -> TensorType:
    """Type of a bias's delta: its shape and its scales, in 16 bits."""
    return TensorType(bias.shape, DType.INT16, bias.quantization)


@dataclass(frozen=True)
class BiasDeltaAttributes:
    """Attributes of ``apply_bias_delta``.

    Attributes:
        has_base: whether there is a base; otherwise it is zero.
    """

    has_base: bool = True


class ApplyBiasDelta(OpSpec[BiasDeltaAttributes]):
    """bias = base + delta.

    Inputs: base int16[C] or int32[C] (not there where it is zero), delta int16[C]. Output: the
    bias, int32[C].
    ``bias_update`` keeps the sum within what accumulators hold.
    """

    name = "apply_bias_delta"
    attributes_type = BiasDeltaAttributes
    operands = (Operand("base", lambda attributes: attributes.has_base), Operand("delta"))
    results = ("bias",)

    def infer(
        self, attributes: BiasDeltaAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The delta's shape and scales."""
        types = self.bind(attributes, inputs)
        _check_base(types)
        return (TensorType(types.delta.shape, DType.INT32, types.delta.quantization),)

    def reference(
        self,
        attributes: BiasDeltaAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Add."""
        del inputs, context
        given = self.bind(attributes, arrays)
        delta: Array = given.delta.astype(np.int32)
        return (given.base.astype(np.int32) + delta if attributes.has_base else delta,)

    def kernel(self, attributes: BiasDeltaAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_apply_bias_delta."""
        types = self.bind(attributes, inputs)
        fields = {"count": types.delta.size, "wide_base": _has_wide_base(types)}
        return Kernel("apply_bias_delta", fields, (Input("base"), Input("delta"), Output("bias")))

    def cases(self) -> Sequence[Case]:
        """With a wide base, with a narrow one and without."""
        return [
            _delta_case("wide", 7, DType.INT32),
            _delta_case("narrow", 5, DType.INT16),
            _fresh(),
        ]


def _delta_case(name: str, channels: int, base: DType) -> Case:
    bias = _bias_type(channels, base)
    limit = min(bias_limit(27), int(np.iinfo(base.value).max))
    return Case(
        name,
        BiasDeltaAttributes(),
        (bias, bias_delta_type(bias)),
        low={"base": -limit, "delta": -32767},
        high={"base": limit},
    )


def _fresh() -> Case:
    delta = bias_delta_type(_bias_type(10))
    return Case("fresh", BiasDeltaAttributes(has_base=False), (delta,), low={"delta": -32767})


def _check_base(types: Operands[TensorType]) -> None:
    """ValueError unless a delta and its base belong together."""
    delta, base = types.delta, types.get("base")
    known = base is None or base.dtype in (DType.INT16, DType.INT32)
    if delta.dtype is not DType.INT16 or not known or (base and bias_delta_type(base) != delta):
        msg = f"delta {delta} does not belong to the bias {base}"
        raise ValueError(msg)


def _has_wide_base(types: Operands[TensorType]) -> int:
    """What kernels are told of the base."""
    base = types.get("base")
    return int(base is not None and base.dtype is DType.INT32)


@dataclass(frozen=True)
class BiasUpdateAttributes:
    """Attributes of ``bias_update``.

    Attributes:
        terms: products that the layer adds to a bias; bounds the bias so that no accumulator
            overflows.
        rng_stream: of the stochastic rounding.
        has_base: whether there is a base; otherwise it is zero.
    """

    terms: int
    rng_stream: int
    has_base: bool = True


class BiasUpdate(OpSpec[BiasUpdateAttributes]):
    """d ← d − rate · 2^(exponents) · Σ gradient / scale(b), rounded stochastically.

    Inputs: delta int16[C], base int16[C] or int32[C] (not there where it is zero), gradient
    int8[..., C], its exponent, the loss exponent. The division by the bias scale is
    quantization-aware scaling: the gradient for the quantized bias, times scale^−2 (MCUNetV3,
    section 2.1).
    """

    name = "bias_update"
    attributes_type = BiasUpdateAttributes
    operands = (
        Operand("delta"),
        Operand("base", lambda attributes: attributes.has_base),
        *required("gradient", "gradient_exponent", "loss_exponent"),
    )
    results = ("delta",)
    updates = MappingProxyType({"delta": "delta"})

    def infer(
        self, attributes: BiasUpdateAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The delta again."""
        bias_limit(attributes.terms)
        types = self.bind(attributes, inputs)
        delta, gradient = types.delta, types.gradient
        if gradient.shape[-1:] != delta.shape:
            msg = f"gradient {gradient.shape} does not end in the bias's channels {delta.shape}"
            raise ValueError(msg)
        _check_base(types)
        check_exponents(types)
        return (delta,)

    def reference(
        self,
        attributes: BiasUpdateAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum the gradient over positions, scale, round, saturate."""
        types, given = self.bind(attributes, inputs), self.bind(attributes, arrays)
        delta, base = given.delta, given.base.astype(np.int32) if attributes.has_base else 0
        summed = given.gradient.astype(np.int64).reshape(-1, delta.size).sum(axis=0)
        mantissas, exponents = channel_mantissas([1 / s for s in types.delta.scales])
        exponent = whole_exponent(given.gradient_exponent) + int(given.loss_exponent[0])
        step = fixed_point_step(
            summed, mantissas, exponents + np.int64(exponent), attributes.rng_stream, context
        )
        return (stepped_bias_delta(delta, base, step, bias_limit(attributes.terms), context),)

    def kernel(self, attributes: BiasUpdateAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_bias_update."""
        types = self.bind(attributes, inputs)
        channels = types.delta.size
        mantissas, exponents = channel_mantissas([1 / s for s in types.delta.scales])
        fields = {
            "positions": types.gradient.size // channels,
            "channels": channels,
            "limit": bias_limit(attributes.terms),
            "mantissa": mantissas,
            "exponent": exponents,
            "rng_stream": attributes.rng_stream,
            "wide_base": _has_wide_base(types),
        }
        arguments = (Control(), *(Input(operand.name) for operand in self.operands))
        return Kernel("bias_update", fields, arguments, {v: Use() for v in (PLAIN, DSP, HOST)})

    def cases(self) -> Sequence[Case]:
        """Odd channel counts, one position and several; with a base and without."""
        return [
            bias_case("dense", (1, 1), 10, 9, has_base=False),
            bias_case("odd", (3, 5), 7, 27),
            bias_case("wide", (4, 4), 33, 576),
            bias_case("narrow", (2, 2), 5, 33_155),
            bias_case("narrow_base", (2, 3), 6, 27, base=DType.INT16),
        ]


def _bias_type(channels: int, dtype: DType = DType.INT32) -> TensorType:
    scales = tuple(1e-5 * (1 + channel) for channel in range(channels))
    return TensorType((channels,), dtype, Quantization(scales, 0, 0))


def bias_case(
    name: str,
    positions: tuple[int, int],
    channels: int,
    terms: int,
    *,
    has_base: bool = True,
    base: DType = DType.INT32,
) -> Case:
    """A bias step on a map of this many positions and channels."""
    bias = _bias_type(channels, base)
    limit = min(bias_limit(terms), int(np.iinfo(base.value).max))
    most = min(32767, limit // 2)
    gradient = TensorType((*positions, channels))
    return Case(
        name,
        BiasUpdateAttributes(terms, 5, has_base),
        (bias_delta_type(bias), *((bias,) if has_base else ()), gradient, EXPONENT, EXPONENT),
        low={
            "delta": -most,
            "gradient": -127,
            "gradient_exponent": -400,
            "loss_exponent": -40,
            **({"base": most - limit} if has_base else {}),
        },
        high={
            "delta": most,
            "gradient_exponent": 160,
            "loss_exponent": 0,
            **({"base": limit - most} if has_base else {}),
        },
    )
