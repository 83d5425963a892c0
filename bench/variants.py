"""Variations of the numerics, for the ablation only: never shipped, only run on this machine.

A variation changes the C that a program emits (and, where types or constants differ, the
operators) so that one choice of docs/numerics.md is made differently and nothing else. Every
substitution must hit exactly as often as it says, so that a changed kernel cannot silently turn
a variation into the default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from kilograd.frontend import mcunet
from kilograd.ir import DType
from kilograd.ops import REGISTRY, clamp
from kilograd.ops.add import op as add_op
from kilograd.ops.arithmetic import channel_mantissas
from kilograd.ops.common import layers, windowed
from kilograd.ops.delta import NARROW, WIDE, Precision
from kilograd.ops.gradient_scale import emit as gradient_emit
from kilograd.ops.pointwise import backward as pointwise_backward
from kilograd.ops.pointwise import op as pointwise_op
from kilograd.passes import differentiate


@dataclass(frozen=True)
class Substitution:
    """A regular expression replaced in the emitted files whose names match.

    Attributes:
        files: regular expression that a file's whole name matches.
        pattern: regular expression.
        text: what stands in its place.
        least: hits over all files, at least.
    """

    files: str
    pattern: str
    text: str
    least: int = 1


@dataclass(frozen=True)
class Variation:
    """One choice made differently.

    Attributes:
        group: the choice.
        label: how it is made here.
        substitutions: in the emitted C.
        prepare: changes operators of this process; it cannot be undone.
        rate_factors: multiples of the default rate to try; the best counts.
        state_bytes: further SRAM for each trained weight and bias, which the host keeps aside.
    """

    group: str
    label: str
    substitutions: Sequence[Substitution] = ()
    prepare: Callable[[], None] | None = None
    rate_factors: Sequence[float] = (1.0,)
    state_bytes: float = 0.0

    def apply(self, sources: Mapping[str, str]) -> dict[str, str]:
        """The sources with every substitution made."""
        changed = dict(sources)
        for substitution in self.substitutions:
            hits = 0
            for name, text in changed.items():
                if re.fullmatch(substitution.files, name):
                    new, count = re.subn(substitution.pattern, substitution.text, text)
                    changed[name] = new
                    hits += count
            if hits < substitution.least:
                msg = f"{self.label}: {substitution.pattern!r} is found {hits} times"
                raise ValueError(msg)
        return changed


_ARITHMETIC = r"kg_arithmetic\.h"
_WEIGHT_UPDATES = r"(pointwise|conv|depthwise|dense)_weight_update\.c"
#: Multiples of the default rate where a variation may want another.
_RATES = (0.5, 1.0, 2.0)
_HALF = "UINT32_C(0x80000000)"

_GRADIENT_NEAREST = (
    Substitution(_ARITHMETIC, r"kg_stochastic_round16\(value, shift, bits\)",
                 f"kg_stochastic_round16(value, shift, bits * 0 + {_HALF})"),
    Substitution(_ARITHMETIC, r"\(int64_t\)kg_random\(key, first \+ \(uint32_t\)i\) << right",
                 f"(int64_t)({_HALF} + 0 * key) << right"),
)  # fmt: skip
#: Without the shortcut for usual shifts.
_EVERY_SHIFT = Substitution(
    _ARITHMETIC, r"if \(shift >= 32 && shift <= 62\)\n        return \(int32_t\)",
    "if (0)\n        return (int32_t)",
)  # fmt: skip
_STEP = r"kg_stochastic_round\(\(int64_t\)gradient \* scale, shift, bits\)"
_STEP_NEAREST = (
    _EVERY_SHIFT,
    Substitution(_ARITHMETIC, _STEP,
                 f"kg_stochastic_round((int64_t)gradient * scale, shift, bits * 0 + {_HALF})"),
)  # fmt: skip
#: int8 −= float, as a C cast does it: w − Δ goes towards zero.
_STEP_TRUNCATED = (
    _EVERY_SHIFT,
    Substitution(_WEIGHT_UPDATES, r"kg_stepped_weight\(weight\[at\], step\)",
                 "kg_truncated(weight[at], step)", 3),
    Substitution(_ARITHMETIC, _STEP,
                 "kg_stochastic_round((int64_t)gradient * scale, shift - 8, bits * 0)"),
    Substitution(_ARITHMETIC, r"#endif\s*$",
                 "static inline int8_t kg_truncated(int8_t weight, int32_t step)\n"
                 "{ return (int8_t)kg_clamp(((int32_t)weight * 256 - step) / 256, -127, 127); }\n"
                 "#endif\n"),
    Substitution(r"bias_update\.c", r"kg_stepped_bias\(bias\[c\], step,",
                 "kg_stepped_bias(bias[c], step / 256,"),
)  # fmt: skip

#: kg_step told where the number lies, so that it can keep more about it in kg_slots.
_SLOTS = (
    Substitution(_WEIGHT_UPDATES, r"kg_step\(control, sum,", "kg_step_at(weight + at, control, sum,",
                 4),
    Substitution(r"bias_update\.c", r"kg_step\(control, sum,", "kg_step_at(bias + c, control, sum,"),
    Substitution(r"model\.c", r"static kg_control control;",
                 "static kg_control control;\nint64_t kg_slots[sizeof kg_state_buffer];"),
    Substitution(r"model\.c", r"    memset\(S\(4\), 0, 4\);",
                 "    memset(S(4), 0, 4);\n    memset(kg_slots, 0, sizeof kg_slots);"),
)  # fmt: skip


def _slot_step(body: str) -> Substitution:
    """``step`` in Q16 is known, ``slot`` remembers; the body says what is applied now."""
    return Substitution(
        _ARITHMETIC,
        r"#endif\s*$",
        "extern uint8_t kg_state_buffer[];\nextern int64_t kg_slots[];\n"
        "static inline int32_t kg_step_at(const void *at, const kg_control *control,\n"
        "    int32_t gradient, int32_t scale_mantissa, int32_t scale_exponent, uint32_t bits)\n"
        "{\n    int64_t *const slot = kg_slots + ((const uint8_t *)at - kg_state_buffer);\n"
        "    const int32_t scale = scale_mantissa * control->rate_mantissa;\n"
        "    const int32_t shift = -(scale_exponent + control->rate_exponent) - 16;\n"
        "    const int64_t step = kg_stochastic_round((int64_t)gradient * scale, shift, bits);\n"
        f"    {body}\n}}\n#endif\n",
    )


_MASTER = _slot_step(
    "*slot += step; const int64_t now = (*slot + 32768) >> 16;\n"
    "    *slot -= now * 65536; return (int32_t)now;"
)
_MOMENTUM = _slot_step(
    "*slot = *slot * 9 / 10 + step;\n    return (int32_t)kg_stochastic_round(*slot, 16, bits);"
)


def _accumulate(samples: int) -> Substitution:
    return _slot_step(
        f"*slot += step; if ((control->step + 1) % {samples} != 0) return 0;\n"
        "    const int64_t now = kg_stochastic_round(*slot, 16, bits);\n"
        "    *slot = 0; return (int32_t)now;"
    )


#: Average pooling keeps eight bits more, for the dense layer's sums and its weight step.
_FINE_FEATURES = (
    Substitution(r"pool\.c", r"void kg_average_pool\(",
                 "int32_t kg_fine[4096];\nvoid kg_average_pool("),
    Substitution(r"pool\.c", r"(        y\[c\] = )",
                 r"        kg_fine[c] = sum * 256 / p->positions;\n\1"),
    Substitution(r"pointwise\.c", r"(accumulate\(p, scratch, bias\[o\], weight, frozen, o\))"
                                  r"(, p->multiplier\[o\], p->shift\[o\]\);\n\})",
                 r"bias[o] + kg_fine_sum(p, weight, o) + 0 * (frozen != NULL)\2"),
    Substitution(r"pointwise\.c", r"void kg_dense\(",
                 "extern int32_t kg_fine[];\nstatic int32_t kg_fine_sum(const kg_dense_parameters"
                 " *p, const int8_t *weight, int32_t o)\n{\n    int64_t sum = 0;\n"
                 "    for (int32_t i = 0; i < p->channels; i++)\n"
                 "        sum += (int64_t)weight[o * p->channels + i] *"
                 " (kg_fine[i] - p->zero_point * 256);\n"
                 "    return (int32_t)(sum >> 8);\n}\n\nvoid kg_dense("),
    Substitution(r"dense_weight_update\.c", r"gradient\[o\] \* \(x\[channel\] - p->zero_point\)",
                 "(gradient[o] * (kg_fine[channel] - p->zero_point * 256 + 0 * x[0])) >> 8"),
    Substitution(r"dense_weight_update\.c", r"\A",
                 "#include <stdint.h>\nextern int32_t kg_fine[];\n"),
)  # fmt: skip

_FLOAT_SOFTMAX = (
    Substitution(r"loss\.c", r'#include "loss.h"', '#include "loss.h"\n#include <math.h>'),
    Substitution(r"loss\.c", r"scratch\[c\] = exp2_negative\([^;]*;",
                 "scratch[c] = (int32_t)lrint(ldexp(exp2(-(double)below / 65536 / log(2)), 30));\n"
                 "        (void)exp2_negative;"),
)  # fmt: skip
_FIXED_LOSS_EXPONENT = (Substitution(r"loss\.c", r"bits > 7 \? bits - 7 : 0", "23 + 0 * bits"),)


def _wide_types() -> tuple[Substitution, ...]:
    """16-bit gradient tensors; their magnitudes and exponents follow 15 bits instead of 7."""
    every = r".*\.[ch]"
    return (
        Substitution(every, r"int8_t \*(gradient|result)\b", r"int16_t *\1", 20),
        Substitution(r"gradient\.[ch]", r"const int8_t \*(a|b)\b", r"const int16_t *\1", 4),
        Substitution(r"(conv|depthwise)_input_gradient\.c", r"int8_t \*const g\b",
                     "int16_t *const g", 2),
        Substitution(r"depthwise_input_gradient\.c",
                     r"int8_t \*const copy =(\s+)kg_copy_plane\(gradient",
                     r"int16_t *const copy = (const void *)\1"
                     r"kg_copy_plane((const int8_t *)gradient"),
        Substitution(r"pointwise_input_gradient\.c", r"int8_t \*g = gradient",
                     "int16_t *g = gradient"),
        Substitution(r"bias_update\.c", r"int8_t \*from\b", "int16_t *from"),
        Substitution(r"clamp\.c", r"\(int8_t\)\(gradient", "(int16_t)(gradient"),
        Substitution(_ARITHMETIC, r"static inline int8_t kg_gradient_element",
                     "static inline int16_t kg_gradient_element"),
        Substitution(_ARITHMETIC,
                     r"const int32_t rounded = kg_stochastic_round16\(value, shift, bits\);",
                     "const int64_t wide = kg_stochastic_round(value, shift, bits);\n"
                     "    const int32_t rounded = (int32_t)(wide > (1 << 23) ? 1 << 23 :"
                     " wide < -(1 << 23) ? -(1 << 23) : wide);"),
        Substitution(_ARITHMETIC, r"\(int8_t\)kg_clamp\(rounded, -127, 127\);",
                     "(int16_t)kg_clamp(rounded, -32767, 32767);", 2),
        Substitution(_ARITHMETIC, r"kg_clamp\(high >> right, -32767, 32767\)",
                     "kg_clamp(high >> right, -(1 << 23), 1 << 23)"),
        Substitution(r"gradient\.c", r"    if \(bits > 7\) \{",
                     "    bits -= bits == 0 ? 0 : 8;\n    if (bits > 7) {"),
        Substitution(r"gradient\.c", r"const int32_t aligned_(a|b) = \((a|b)\[i\] \* "
                                     r"\(INT32_C\(1\)",
                     r"const int64_t aligned_\1 = (\2[i] * (INT64_C(1)", 2),
        Substitution(r"loss\.c", r"bits > 7 \? bits - 7 : 0", "bits > 15 ? bits - 15 : 0"),
        Substitution(r"loss\.c", r"\(int8_t\)kg_clamp\(", "(int16_t)kg_clamp("),
        Substitution(r"loss\.c", r"-127, 127\)", "-32767, 32767)"),
        Substitution(r"pointwise_weight_update\.c", r"int32_t sum = 0;", "int64_t sum = 0;"),
        Substitution(r"pointwise_weight_update\.c", r"return sum;",
                     "return (int32_t)(sum > INT32_MAX ? INT32_MAX :"
                     " sum < -INT32_MAX ? -INT32_MAX : sum);"),
        Substitution(r"pointwise_weight_update\.c", r"sum \+= a\[i\] \* b\[i\];",
                     "sum += (int64_t)a[i] * b[i];"),
    )  # fmt: skip


def _wide_gradients() -> None:
    """The plan's sizes and the constants that go with 16 bits."""
    for name in (
        "softmax_cross_entropy",
        "average_pool_input_gradient",
        "pointwise_input_gradient",
        "conv_input_gradient",
        "depthwise_input_gradient",
        "gradient_sum",
    ):
        _wrap_infer(type(REGISTRY[name]))
    # Its kernel in place copies bytes.
    type(REGISTRY["depthwise_input_gradient"]).reuses = MappingProxyType({})
    scaling = pointwise_backward.channel_scaling

    def wide_scaling(weight: Any, taps: int = 1) -> Any:
        mantissas, shift, unit = scaling(weight, taps)
        return mantissas, shift + 8, unit * 256

    pointwise_backward.channel_scaling = wide_scaling
    gradient_emit._STORED_LOG2 += 8  # noqa: SLF001 - a variation of just this
    differentiate._LOSS_MAGNITUDE += 8  # noqa: SLF001 - a variation of just this


def _wrap_infer(spec: Any) -> None:
    infer = spec.infer

    def wide(self: Any, attributes: Any, inputs: Any) -> Any:
        first, *rest = infer(self, attributes, inputs)
        return (replace(first, dtype=DType.INT16), *rest)

    spec.infer = wide


#: 16-bit storage, of which each channel keeps the seven bits below its own largest element.
_PER_CHANNEL = (
    *_wide_types(),
    Substitution(r"(pointwise|conv)_input_gradient\.c|pool\.c", r"(\n    )\*magnitude = seen;",
                 r"\1kg_seven_bits(result, (int32_t)(KG_POSITIONS), p->channels, key);"
                 r"\1*magnitude = seen;", 3),
    Substitution(r"depthwise_input_gradient\.c", r"(\n    )\*magnitude = k\.seen;",
                 r"\1kg_seven_bits(result, KG_POSITIONS, p->channels, k.key);"
                 r"\1*magnitude = k.seen;"),
    Substitution(r"pointwise_input_gradient\.c|pool\.c", r"\A",
                 "#define KG_POSITIONS p->positions\n", 2),
    Substitution(r"(depthwise|conv)_input_gradient\.c", r"\A",
                 "#define KG_POSITIONS p->input_height * p->input_width\n", 2),
    Substitution(_ARITHMETIC, r"#endif\s*$",
                 "static inline void kg_seven_bits(int16_t *result, int32_t positions,"
                 " int32_t channels, uint32_t key)\n{\n"
                 "    for (int32_t c = 0; c < channels; c++) {\n        int32_t seen = 0, n = 0;\n"
                 "        for (int32_t i = c; i < positions * channels; i += channels)\n"
                 "            seen |= result[i] < 0 ? -result[i] : result[i];\n"
                 "        while (seen >> n > 127) n++;\n"
                 "        for (int32_t i = c; i < positions * channels; i += channels) {\n"
                 "            const int64_t r = kg_stochastic_round(result[i], n,"
                 " kg_random(key, ~(uint32_t)i));\n"
                 "            result[i] = (int16_t)(kg_clamp((int32_t)r, -127, 127) *"
                 " (INT32_C(1) << n));\n        }\n    }\n}\n#endif\n"),
)  # fmt: skip


def _without_masks() -> None:
    def passed(spec: Any, node: Any, graph: Any, builder: Any) -> Any:
        del spec, graph
        return builder.gradient(node.outputs[0])

    for module in (clamp, pointwise_op, windowed, add_op):
        module.clamped_gradient = passed  # type: ignore[attr-defined]


def _without_scaling() -> None:
    """Steps of the gradient for the quantized numbers themselves, in units of their real step."""
    for name, step_input in (
        ("pointwise_weight_update", 3),
        ("conv_weight_update", 3),
        ("depthwise_weight_update", 3),
        ("bias_update", None),
    ):
        _wrap_kernel(type(REGISTRY[name]), step_input)


def _wrap_kernel(spec: Any, activation: int | None) -> None:
    kernel = spec.kernel

    def unscaled(self: Any, attributes: Any, inputs: Any) -> Any:
        call = kernel(self, attributes, inputs)
        own = 1.0
        if activation is not None:
            # The gradient for the weight, not for its delta: 2^f apart, and so are their units.
            bits = WIDE if inputs[0].dtype is DType.INT16 else NARROW
            own = inputs[activation].scale * 4.0**bits.fraction_bits
        mantissas, exponents = channel_mantissas([own * s for s in inputs[0].scales])
        fields = {**call.fields, "mantissa": mantissas, "exponent": exponents}
        assert np.shape(call.fields["mantissa"]) == mantissas.shape
        return replace(call, fields=fields)

    spec.kernel = unscaled


def _precision(fraction_bits: int) -> Callable[[], None]:
    """Deltas of eight bits, this many of them below one step of the weight."""

    def prepare() -> None:
        precision = Precision(DType.INT8, fraction_bits)
        pointwise_op.Pointwise.precision = precision
        layers.train_whole.__kwdefaults__["precision"] = precision
        layers.trained_weight.__defaults__ = (precision,)

    return prepare


def _weights_as_states(names: Sequence[str] = ("head", "")) -> Callable[[], None]:
    """Layers whose names end so keep no base: int8 weights, rounded where they are."""
    original = layers.trained_weight

    def trained_weight(value: Any, layer: str, *precision: Any) -> Any:
        if any(layer.endswith(name) for name in names):
            return (), (layers.as_state(value),)
        return original(value, layer, *precision)

    def prepare() -> None:
        layers.trained_weight = trained_weight
        pointwise_op.trained_weight = trained_weight
        fresh = mcunet.fresh_head
        # Eight bits are spread over what they must reach: half of what the wide head may.
        mcunet.fresh_head = lambda c, n: replace(fresh(c, n), scales=fresh(c, n).scales / 2)

    return prepare


VARIATIONS: dict[str, Variation] = {
    "default": Variation("as shipped", "all choices as in docs/numerics.md", rate_factors=_RATES),
    "weight-int8": Variation(
        "trained weights",
        "int8, no delta",
        prepare=_weights_as_states(),
        rate_factors=_RATES,
    ),
    "delta-1": Variation("trained weights", "1 fraction bit", prepare=_precision(1)),
    "delta-2": Variation("trained weights", "2 fraction bits", prepare=_precision(2)),
    "delta-4": Variation("trained weights", "4 fraction bits", prepare=_precision(4)),
    "delta-5": Variation("trained weights", "5 fraction bits", prepare=_precision(5)),
    "weight-master": Variation(
        "trained weights", "32 more bits below the delta", (*_SLOTS, _MASTER), state_bytes=4
    ),
    "head-int8": Variation("head", "int8, no delta", prepare=_weights_as_states(("head",))),
    "features-fine": Variation("head", "reads 16-bit pooled features", _FINE_FEATURES),
    "weight-nearest": Variation(
        "rounding of steps", "to nearest", _STEP_NEAREST, rate_factors=(1.0, 4.0)
    ),
    "weight-truncated": Variation(
        "rounding of steps",
        "int8 weights, towards zero",
        _STEP_TRUNCATED,
        _weights_as_states(),
        rate_factors=(1.0, 4.0),
    ),
    "gradient-nearest": Variation("rounding of gradients", "to nearest", _GRADIENT_NEAREST),
    "gradient-int16": Variation(
        "width of gradients", "int16 everywhere", _wide_types(), _wide_gradients
    ),
    "gradient-per-channel": Variation(
        "scale of gradients", "an exponent a channel", _PER_CHANNEL, _wide_gradients
    ),
    "loss-fixed": Variation("loss gradient", "one scale for all samples", _FIXED_LOSS_EXPONENT),
    "softmax-float": Variation("softmax", "float64", _FLOAT_SOFTMAX),
    "masks-off": Variation("clamp masks", "none", prepare=_without_masks),
    "momentum": Variation(
        "momentum", "0.9", (*_SLOTS, _MOMENTUM), rate_factors=(0.1, 0.3), state_bytes=4
    ),
    "accumulate-4": Variation(
        "accumulation", "4 samples a step", (*_SLOTS, _accumulate(4)), state_bytes=4
    ),
    "accumulate-8": Variation(
        "accumulation", "8 samples a step", (*_SLOTS, _accumulate(8)), state_bytes=4
    ),
    "scaling-off": Variation(
        "quantization-aware scaling",
        "none",
        prepare=_without_scaling,
        rate_factors=(1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6),
    ),
}
