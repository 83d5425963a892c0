"""Seeded random inputs and step contexts for an operator's case."""

import numpy as np

from kilograd.ir import LabelKind, TensorType
from kilograd.ops.spec import Array, Case, OpSpec, StepContext

#: How the integers of all inputs are chosen.
FILLS = ("uniform", "small", "extremes", "lowest", "highest", "zero")
_EDGES = (0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
#: Whole exponents that a rate can sensibly have, and far beyond.
_RATE_EXPONENTS = (-2000, -300, -80, -63, -62, -32, 0, 40, 63, 64, 2000)


def draw_inputs(
    spec: OpSpec, case: Case, rng: np.random.Generator, fill: str = "uniform"
) -> list[Array]:
    """Contents of every input, within the case's ranges."""
    return [
        case.fixed[name].copy()
        if name in case.fixed
        else draw_array(type_, rng, fill, case.low.get(name), case.high.get(name))
        for name, type_ in named(spec, case)
    ]


def named(spec: OpSpec, case: Case) -> list[tuple[str, TensorType]]:
    """Operands that a case has, with their types."""
    types = spec.bind(case.attributes, case.inputs)
    return list(zip(types.names(), types, strict=True))


def draw_array(
    type_: TensorType,
    rng: np.random.Generator,
    fill: str = "uniform",
    low: int | None = None,
    high: int | None = None,
) -> Array:
    """Contents of one tensor."""
    limits = np.iinfo(type_.dtype.numpy)
    low = int(limits.min) if low is None else low
    high = int(limits.max) if high is None else high
    zero = min(max(0, low), high)
    shape = type_.shape
    if fill == "uniform" or (fill != "extremes" and type_.size == 1):
        values = rng.integers(low, high, shape, endpoint=True)
    elif fill == "small":
        values = np.clip(np.rint(rng.normal(0, 4, shape)), low, high)
    elif fill == "extremes":
        values = rng.choice([low, high, zero], shape)
    else:
        values = np.full(shape, {"lowest": low, "highest": high, "zero": zero}[fill])
    return values.astype(type_.dtype.numpy)


def draw_context(
    rng: np.random.Generator, classes: int = 1, label_kind: LabelKind = LabelKind.CLASS
) -> StepContext:
    """Any seed and step, some of the classes active, and sensible and extreme rates."""
    extreme = rng.random() < 0.3
    words = [
        int(rng.choice(_EDGES)) if extreme else int(rng.integers(1 << 32, dtype=np.uint64))
        for _ in range(2)
    ]
    mantissa = int(rng.choice([0, 1, 32767])) if extreme else int(rng.integers(1 << 14, 1 << 15))
    exponent = int(rng.choice(_RATE_EXPONENTS)) if extreme else int(rng.integers(-60, 5))
    active = int(rng.integers(min(2, classes), classes, endpoint=True))
    label = draw_label(rng, active, label_kind)
    return StepContext(*words, label, mantissa, exponent, active)


def draw_label(rng: np.random.Generator, classes: int, label_kind: LabelKind) -> int:
    """Any class, set of them, or value; half of the values lie in their range."""
    if label_kind is LabelKind.VALUE:
        reach = 1 << 16 if rng.random() < 0.5 else 2**31 - 1
        return int(rng.integers(-reach, reach, endpoint=True))
    return int(rng.integers(1 << classes if label_kind is LabelKind.SET else classes))
