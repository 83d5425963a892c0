"""What a folder says of a program that only running it tells: its stack, and one step's result."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kilograd.compiler import Program
from kilograd.data.anomalies import NORMAL
from kilograd.device.protocol import LearningRate
from kilograd.device.reference import ReferenceDevice
from kilograd.errors import UserError
from kilograd.features import features_of
from kilograd.frontend.open import input_spec
from kilograd.ir import LabelKind
from kilograd.measuring.firmware import Measurement
from kilograd.ops.arithmetic import mix
from kilograd.training.anomalies import NORMAL_SAMPLES
from kilograd.training.rate import default_rate

#: Of ``kg_selftest.c``.
_SEED = 1
_LABEL = 0


@dataclass(frozen=True)
class Pixels:
    """What an 8-bit pixel becomes as an element of a sample.

    Attributes:
        tables: the element of each of the 256 pixel values: one table, or one for each channel.
    """

    tables: tuple[tuple[int, ...], ...]

    @property
    def offset(self) -> int | None:
        """What is added to a pixel, before the sum is cut to int8; None where that is not all."""
        for offset in range(-383, 129):
            if self.tables == (tuple(min(max(pixel + offset, -128), 127) for pixel in range(256)),):
                return offset
        return None


@dataclass(frozen=True)
class Deployment:
    """What a folder of C says of a model beyond what compiling it needs.

    Attributes:
        class_names: one for each logit.
        rate: what it is trained with unless another is named.
        stack_bytes: what a call was seen to use; None where it was not measured.
        measured_with: how that was seen.
        selftest_crc: CRC-32 of logits and state after the step of ``kg_selftest``.
        pixels: of images; None for other samples.
        threshold: where normal samples are learned, the error above which others count as
            anomalies; None where nothing was learned yet.
    """

    class_names: tuple[str, ...]
    rate: LearningRate
    stack_bytes: int | None
    measured_with: str
    selftest_crc: int
    pixels: Pixels | None
    threshold: int | None = None

    @property
    def normal_share(self) -> str:
        """Of normal samples, those that are not above the threshold."""
        return f"{NORMAL_SAMPLES - 1} of {NORMAL_SAMPLES}"


def deployment_of(
    program: Program,
    measurement: Measurement | None,
    class_names: Sequence[str] = (),
    threshold: int | None = None,
) -> Deployment:
    """What ``kg_model.h`` says beyond sizes.

    Args:
        program: the compiled model.
        measurement: of the program on its target; None where it cannot be emulated.
        class_names: one for each logit; none for "class 0", "class 1", …
        threshold: above which errors are those of anomalies.

    Raises:
        UserError: the class names will not do; see ``named_classes``.
    """
    names = named_classes(class_names, program.class_count, program.graph.label_kind)
    rate = LearningRate.from_float(default_rate(program))
    measured = ""
    if measurement is not None:
        version = measurement.compiler_version
        measured = f"{version}, -O3, {measurement.target}, emulated"
    return Deployment(
        class_names=names,
        rate=rate,
        stack_bytes=None if measurement is None else measurement.stack,
        measured_with=measured,
        selftest_crc=selftest_crc(program, rate),
        pixels=_pixels(program),
        threshold=threshold,
    )


def named_classes(names: Sequence[str], count: int, kind: LabelKind) -> tuple[str, ...]:
    """A name for each class: those given, or "class 0", "class 1", … where none are.

    The only logit of a network that has no classes is "value", or "normal".

    Raises:
        UserError: there are not as many names as classes, one is empty, or two are the same.
    """
    if not names and kind.has_errors:
        return ("value" if kind is LabelKind.VALUE else NORMAL,)
    if not names:
        return tuple(f"class {index}" for index in range(count))
    hint = "name every class once, in the order of the labels"
    if len(names) != count:
        raise UserError(f"{len(names)} class names for {count} classes", hint=hint)
    if not all(name.strip() for name in names):
        raise UserError("a class name is empty", hint=hint)
    if twice := next((name for name in names if list(names).count(name) > 1), None):
        raise UserError(f"two classes are called {twice!r}", hint=hint)
    return tuple(names)


def selftest_crc(program: Program, rate: LearningRate) -> int:
    """CRC-32 of logits and state after the step of ``kg_selftest``, by the reference."""
    shape = program.graph.inputs[0].type.shape
    words = mix(np.arange(np.prod(shape), dtype=np.uint64))
    elements = (words >> np.uint64(24)).astype(np.int32) - 128
    device = ReferenceDevice(program)
    device.initialize(_SEED)
    logits = device.train_step(elements.astype(np.int8).reshape(shape), _LABEL, rate)
    return zlib.crc32(device.read_state(), zlib.crc32(logits.astype("<i4").tobytes()))


def _pixels(program: Program) -> Pixels | None:
    """How images become samples; None where features do."""
    if features_of(program.graph) is not None:
        return None
    table = input_spec(program.graph).pixel_table()
    ranges = len(program.graph.pixel_range) // 2
    return Pixels(tuple(tuple(table[:, channel].tolist()) for channel in range(ranges)))
