"""What every device does: predict, train one step, hand over its state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from kilograd.errors import DataError, DeviceError
from kilograd.ir import LabelKind
from kilograd.memory.state_layout import StateHeader
from kilograd.ops.arithmetic import scheduled_rate
from kilograd.ops.spec import TrainingCounters

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Self

#: Learning rate that a run starts from unless it is told another.
DEFAULT_RATE = 0.0015

_MANTISSA_BITS = 15
_MANTISSA_END = 1 << _MANTISSA_BITS
_MAX_EXPONENT = 1100
_STEPS_END = 1 << 32
_FEWEST_CLASSES = 2


@dataclass(frozen=True)
class LearningRate:
    """A learning rate in integers, `mantissa * 2**exponent`, and its schedule.

    Attributes:
        mantissa: 0 to 32767.
        exponent: -1100 to 1100, as far as any double reaches.
        steps: 0 for a rate that stays. Otherwise mantissa and exponent are the highest rate of a
            run of so many steps: by the step counter of the device's state it rises linearly
            over the first twentieth, then falls along half a cosine to 0 at `steps`, and stays
            there. A uint32.

    Raises:
        DataError: the mantissa, the exponent or the steps are out of range.
    """

    mantissa: int
    exponent: int
    steps: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.mantissa < _MANTISSA_END:
            raise DataError(
                f"a learning rate's mantissa is 0 to {_MANTISSA_END - 1}, not {self.mantissa}"
            )
        if abs(self.exponent) > _MAX_EXPONENT:
            raise DataError(
                f"a learning rate's exponent is -{_MAX_EXPONENT} to {_MAX_EXPONENT}, "
                f"not {self.exponent}"
            )
        if not 0 <= self.steps < _STEPS_END:
            raise DataError(
                f"a schedule has 0 to {_STEPS_END - 1} steps, not {self.steps}",
                hint="0 is a constant rate; train fewer epochs, or in several runs",
            )

    @classmethod
    def from_float(cls, rate: float, steps: int = 0) -> LearningRate:
        """The nearest rate with 15 significant bits; 0 stays 0.

        Raises:
            DataError: the rate is negative, infinite or not a number, or the steps no uint32.
        """
        if not math.isfinite(rate) or rate < 0:
            raise DataError(
                f"a learning rate is a finite number from 0 up, not {rate}",
                hint="0.0015 is usual, and 0.004 where the last layer alone is trained",
            )
        if rate == 0:
            return cls(0, 0, steps)
        fraction, exponent = math.frexp(rate)
        mantissa = round(fraction * _MANTISSA_END)
        if mantissa == _MANTISSA_END:
            mantissa, exponent = mantissa // 2, exponent + 1
        return cls(mantissa, exponent - _MANTISSA_BITS, steps)

    def at(self, step: int) -> tuple[int, int]:
        """Mantissa and exponent of one step's rate, exactly as every device computes them.

        Args:
            step: training steps that the device's state has been through, a uint32.
        """
        return scheduled_rate(self.mantissa, self.exponent, self.steps, step)

    def value_at(self, step: int) -> float:
        """The rate of one step as a float; see ``at``."""
        mantissa, exponent = self.at(step)
        return math.ldexp(mantissa, exponent)

    @property
    def value(self) -> float:
        """The rate, or the highest of its schedule, as a float."""
        return math.ldexp(self.mantissa, self.exponent)


@dataclass(frozen=True)
class Counters:
    """What a device counted and measured; None where it cannot.

    Attributes:
        training: what training has met since `initialize`, modulo 2^32.
        stack_bytes: most stack ever used since the start.
        instructions_last_call: instructions of the last prediction, training step or piece of a
            sensor's samples, from its entry to its return.
    """

    training: TrainingCounters
    stack_bytes: int | None
    instructions_last_call: int | None


class Device(Protocol):
    """A network that runs and learns, wherever that is. All devices give the same bits.

    Samples are int8 of any shape with the network's input size; logits are int32, (classes,).
    A label or a sample that does not fit raises DataError; a device that stops, DeviceError.
    """

    @property
    def name(self) -> str:
        """What messages call the device."""
        ...

    @property
    def class_count(self) -> int:
        """How many logits there are."""
        ...

    @property
    def label_kind(self) -> LabelKind:
        """What a label is."""
        ...

    @property
    def active_classes(self) -> int:
        """How many classes, the first ones, are predicted and learned; labels are of these."""
        ...

    def set_active_classes(self, count: int) -> None:
        """Sets `active_classes`, 2 to `class_count`.

        The logits of the others are the lowest int32, and their weights stay as they are.
        """
        ...

    def initialize(self, seed: int) -> None:
        """Sets initial weights, all classes active and the step counter 0; seed: uint32."""
        ...

    def predict(self, sample: NDArray[np.int8]) -> NDArray[np.int32]:
        """Runs the network: the logits of one sample."""
        ...

    def train_step(
        self, sample: NDArray[np.int8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """Learns from one sample: its logits before the update."""
        ...

    def read_state(self) -> bytes:
        """Everything that was trained; before it, as uint32: seed, steps, active classes."""
        ...

    def write_state(self, state: bytes) -> None:
        """Puts back what `read_state` gave."""
        ...

    def counters(self) -> Counters:
        """What the device counted and measured."""
        ...

    def close(self) -> None:
        """Frees what the device holds; it cannot be used after."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def sample_bytes(sample: NDArray[np.int8], expected: int) -> bytes:
    """The bytes of a sample, in C order, once its type and size are right.

    Raises:
        DataError: the sample is no int8 array, or has not `expected` elements.
    """
    # The types promise this; arrays read from files do not.
    dtype = getattr(sample, "dtype", type(sample).__name__)
    if dtype != np.int8:
        raise DataError(
            f"a sample is an int8 array, not {dtype}",
            hint="quantize it with the scale and zero point of the network's input",
        )
    if sample.size != expected:
        raise DataError(
            f"a sample of this network has {expected} elements, not {sample.size} "
            f"(shape {'x'.join(map(str, sample.shape))})"
        )
    return sample.tobytes()


def check_label(label: int, classes: int, kind: LabelKind = LabelKind.CLASS) -> None:
    """Refuses numbers that are no label.

    Args:
        label: a number.
        classes: how many there are.
        kind: what it should be.

    Raises:
        DataError: it is no class, no set of classes, or no value that int32 holds.
    """
    if kind is LabelKind.VALUE:
        least, end, what = -(1 << 31), 1 << 31, "value"
    elif kind is LabelKind.SET:
        least, end, what = 0, 1 << classes, "set of classes"
    elif kind is LabelKind.ANOMALY and label:
        raise DataError(f"label {label} is that of an anomaly: only normal samples, 0, are learned")
    else:
        least, end, what = 0, classes, "class"
    if not least <= label < end:
        raise DataError(f"label {label} is no {what}: this network has {least} to {end - 1}")


#: What C returns where there is no whole sample, or none to learn from again.
NO_SAMPLE = -2

#: Why C refuses a call, by the number that kilograd.h gives it.
REFUSALS = {
    -1: "the network is not initialized",
    NO_SAMPLE: "there is no whole sample",
    -3: "the label is no class",
    -4: "the rate is out of range",
    -5: "there are not so many classes",
    -6: "what was saved belongs to another model",
    -7: "what was kept has changed since",
    -8: "this build computes something else",
    -9: "a function of its flash failed, or the flash holds something else than was programmed",
    -10: "nothing was saved",
    -11: "there is no room for so much",
    -12: "the granule or the page of its flash cannot be",
    -13: "the slots of its flash cannot be",
}


def refusal(device: str, code: int) -> DeviceError:
    """The error for a call that the network's C refused."""
    return DeviceError(f"the network refused the call: {REFUSALS.get(code, code)}", where=device)


def check_classes(count: int, class_count: int) -> None:
    """Refuses numbers of active classes that a network cannot have.

    Raises:
        DataError: fewer than 2, unless there is only one logit, or more than `class_count`.
    """
    if not min(_FEWEST_CLASSES, class_count) <= count <= class_count:
        raise DataError(
            f"2 to {class_count} classes of this network can be active, not {count}",
            hint="compile the network for as many classes as it will ever have",
        )


def check_seed(seed: int) -> None:
    """Refuses seeds that are no uint32.

    Raises:
        DataError: the seed is out of range.
    """
    if not 0 <= seed < 1 << 32:
        raise DataError(f"a seed is 0 to {(1 << 32) - 1}, not {seed}")


def check_state(state: bytes, expected: int, class_count: int | None = None) -> None:
    """Refuses states of another size, or with a number of active classes that cannot be.

    Raises:
        DataError: the state has not `expected` bytes, or its classes are not 2 to `class_count`.
    """
    if len(state) != expected:
        raise DataError(
            f"the state of this network has {expected} bytes, not {len(state)}",
            hint="a state fits only the model and scheme it was trained with",
        )
    if class_count is not None:
        check_classes(state_classes(state), class_count)


def state_classes(state: bytes) -> int:
    """The number of active classes in a state."""
    return StateHeader.unpack(state).classes
