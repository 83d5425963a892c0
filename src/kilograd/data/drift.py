"""Changes of what a camera gives: brighter, darker or noisier samples, in integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kilograd.errors import DataError
from kilograd.ops.arithmetic import random_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kilograd.data.samples import InputSpec

BRIGHTNESS, NOISE = "brightness", "noise"

_HINT = "brightness:40, brightness:-40 and noise:20 are such drifts; in pixel units of 0..255"
_LARGEST = 255
_FRACTION_BITS = 16
#: A sum of so many uniform bytes is close to normal, with a standard deviation of 256.
_BYTES = 12
_BYTES_MEAN = _BYTES * 255 // 2
_LOG2_DEVIATION = 8
#: Steps of int8 a pixel, in 2^-16: more than this saturates anyway.
_STEEPEST = 1 << 24


@dataclass(frozen=True)
class Drift:
    """One change of all samples.

    Attributes:
        kind: ``brightness`` (the amount is added to every pixel) or ``noise`` (normal noise, each
            value by itself, with the amount as its standard deviation).
        amount: in pixel units of 0..255; negative only for brightness, never 0.

    Raises:
        DataError: there is no such kind, or the amount is out of range.
    """

    kind: str
    amount: int

    def __post_init__(self) -> None:
        if self.kind not in (BRIGHTNESS, NOISE):
            raise DataError(f"there is no drift {self.kind!r}", hint=_HINT)
        low = -_LARGEST if self.kind == BRIGHTNESS else 1
        if not low <= self.amount <= _LARGEST or self.amount == 0:
            span = f"{low} to {_LARGEST}" + (" and not 0" if low < 0 else "")
            raise DataError(f"an amount of {self.kind} is {span}, not {self.amount}", hint=_HINT)

    @classmethod
    def parse(cls, text: str) -> Drift:
        """Reads ``kind:amount``.

        Raises:
            DataError: the text is not of this form; or as the constructor.
        """
        kind, colon, amount = text.partition(":")
        try:
            value = int(amount)
        except ValueError:
            if colon and kind in (BRIGHTNESS, NOISE):
                what = f"the amount of a drift is a whole number, not {amount!r}"
            elif kind in (BRIGHTNESS, NOISE):
                what = f"the drift {text!r} has no amount"
            else:
                what = f"there is no drift {text!r}"
            raise DataError(what, hint=_HINT) from None
        return cls(kind, value)

    def __str__(self) -> str:
        return f"{self.kind}:{self.amount}"

    def apply(
        self, sample: NDArray[np.int8], spec: InputSpec, *, seed: int, index: int, stream: int
    ) -> NDArray[np.int8]:
        """The drifted sample; like a camera's, it saturates where pixels end.

        Args:
            sample: int8 [height, width, channels].
            spec: the quantization that it is in.
            seed: of the noise; equal seeds, indices and streams give equal noise.
            index: of the sample.
            stream: tells samples of the same index apart.
        """
        table = spec.pixel_table()
        steps = np.rint(spec.pixel_steps * (1 << _FRACTION_BITS)).clip(0, _STEEPEST)
        bits, moves = _FRACTION_BITS, np.array([1])
        if self.kind == NOISE:
            words = random_bits(seed, index, stream, sample.size * _BYTES // 4).astype("<u4")
            sums = words.view(np.uint8).reshape(-1, _BYTES).sum(axis=1, dtype=np.int64)
            bits, moves = bits + _LOG2_DEVIATION, (sums - _BYTES_MEAN).reshape(sample.shape)
        shift = (moves * self.amount * steps.astype(np.int64) + (1 << (bits - 1))) >> bits
        return (sample + shift).clip(table[0], table[-1]).astype(np.int8)
