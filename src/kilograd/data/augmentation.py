"""Changes of training images that leave their class as it is: mirrored, moved, brighter or darker.

Integers alone, and random numbers that depend on nothing but seed and step: a run can be repeated,
and gone on with, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kilograd.data.drift import BRIGHTNESS, Drift
from kilograd.errors import DataError
from kilograd.ops.arithmetic import random_bits

if TYPE_CHECKING:
    from kilograd.data.samples import InputSpec

#: What becomes of a sample, int8 [height, width, channels], before a step learns from it; the step
#: counts from 0.
Augment = Callable[[NDArray[np.int8], int], NDArray[np.int8]]

_HINT = "flip,shift:4,brightness:30 is such a list; shift in pixels, brightness in units of 0..255"
_FLIP, _SHIFT = "flip", "shift"
_MOST = {_SHIFT: 64, BRIGHTNESS: 127}
#: Tells these random numbers from those of rounding and of drifts.
_RNG_STREAM = 0x41554721


@dataclass(frozen=True)
class Augmentation:
    """What may be done to an image before a step learns from it.

    Attributes:
        flip: whether every other image, at random, is mirrored left to right.
        shift: an image is moved by at most so many pixels, down or up and left or right; its
            border is continued.
        brightness: of at most so much, in pixel units of 0..255, is added or taken away; pixels
            saturate.

    Raises:
        DataError: an amount is out of range.
    """

    flip: bool = False
    shift: int = 0
    brightness: int = 0

    def __post_init__(self) -> None:
        for kind, amount in ((_SHIFT, self.shift), (BRIGHTNESS, self.brightness)):
            if not 0 <= amount <= _MOST[kind]:
                what = f"an amount of {kind} is 1 to {_MOST[kind]}, not {amount}"
                raise DataError(what, hint=_HINT)

    @classmethod
    def parse(cls, text: str) -> Augmentation:
        """Reads a list such as ``flip,shift:4,brightness:30``.

        Raises:
            DataError: the text is no such list; or as the constructor.
        """
        found: dict[str, int] = {}
        for part in text.split(","):
            kind, colon, amount = part.strip().partition(":")
            if kind not in (_FLIP, *_MOST):
                raise DataError(f"there is no augmentation {part.strip()!r}", hint=_HINT)
            if kind in found:
                raise DataError(f"{kind} is there twice", hint=_HINT)
            if kind == _FLIP:
                if colon:
                    raise DataError("a flip has no amount", hint=_HINT)
                found[kind] = 1
                continue
            if not (amount.isascii() and amount.isdigit() and int(amount)):
                what = f"an amount of {kind} is 1 to {_MOST[kind]}, not {amount!r}"
                raise DataError(what, hint=_HINT)
            found[kind] = int(amount)
        return cls(_FLIP in found, found.get(_SHIFT, 0), found.get(BRIGHTNESS, 0))

    def __str__(self) -> str:
        parts = [_FLIP] if self.flip else []
        amounts = {_SHIFT: self.shift, BRIGHTNESS: self.brightness}
        parts += [f"{kind}:{amount}" for kind, amount in amounts.items() if amount]
        return ",".join(parts)

    def of(self, spec: InputSpec, seed: int) -> Augment:
        """What is done to samples of a network's input.

        Args:
            spec: the quantization that the samples are in.
            seed: equal seeds do the same at equal steps.

        Raises:
            DataError: the network reads no images.
        """
        if spec.features is not None:
            raise DataError(
                "only images can be augmented: these samples are turned into features first"
            )
        spec.check_images()

        def augment(sample: NDArray[np.int8], step: int) -> NDArray[np.int8]:
            flips, down, right, brighter = random_bits(seed, step, _RNG_STREAM, 4).tolist()
            if self.flip and flips >> 31:
                sample = sample[:, ::-1]
            if self.shift:
                sample = _moved(sample, _drawn(down, self.shift), _drawn(right, self.shift))
            amount = _drawn(brighter, self.brightness)
            if amount:
                drift = Drift(BRIGHTNESS, amount)
                sample = drift.apply(sample, spec, seed=seed, index=step, stream=_RNG_STREAM)
            return np.ascontiguousarray(sample)

        return augment


def _drawn(bits: int, most: int) -> int:
    """A whole number from -most to most, of 32 random bits."""
    return (bits * (2 * most + 1) >> 32) - most


def _moved(sample: NDArray[np.int8], down: int, right: int) -> NDArray[np.int8]:
    height, width, _ = sample.shape
    rows = np.clip(np.arange(height, dtype=np.int64) - down, 0, height - 1)
    columns = np.clip(np.arange(width, dtype=np.int64) - right, 0, width - 1)
    return sample[rows[:, np.newaxis], columns]
