"""What a dataset is: int8 samples with labels, and the quantization they are in."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kilograd.errors import DataError
from kilograd.ir import PIXEL_RANGE, VALUE_RANGE, LabelKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kilograd.features import Features

_MAX_SIDE = 4096

#: Of grey and of coloured images.
IMAGE_CHANNELS = (1, 3)

_PIXEL_SCALE = 1 / 127.5

#: The label of the highest value that is expected.
VALUE_END = 1 << 16


@dataclass(frozen=True)
class InputSpec:
    """The input that a network reads.

    Attributes:
        height: rows, in pixels.
        width: columns, in pixels.
        channels: 3 for RGB or 1 for grey; any number where the network reads features.
        scale: real value of one int8 step; finite and above 0.
        zero_point: the int8 value that stands for 0, in -128..127.
        features: what samples are turned into first; None for images.
        pixel_range: real values of the darkest and the brightest pixel of an image: two for all
            channels, or two for each.

    Raises:
        DataError: a field is out of its range.
    """

    height: int
    width: int
    channels: int
    scale: float
    zero_point: int
    features: Features | None = None
    pixel_range: tuple[float, ...] = PIXEL_RANGE

    def __post_init__(self) -> None:
        if not (1 <= self.height <= _MAX_SIDE and 1 <= self.width <= _MAX_SIDE):
            size = f"{self.height}x{self.width}"
            raise DataError(f"the input size {size} is outside 1..{_MAX_SIDE} pixels")
        if self.channels < 1:
            raise DataError(f"the input has {self.channels} channels")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise DataError(f"the input scale {self.scale} is not a finite number above 0")
        if not -128 <= self.zero_point <= 127:  # noqa: PLR2004  int8
            raise DataError(f"the input zero point {self.zero_point} is outside -128..127")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one sample."""
        return self.height, self.width, self.channels

    def quantize(self, real: NDArray[np.floating[Any]]) -> NDArray[np.int8]:
        """Quantizes finite real values: clamp(floor(real / scale + 0.5) + zero_point)."""
        steps = np.floor(real.astype(np.float64) / self.scale + 0.5) + self.zero_point
        return steps.clip(-128, 127).astype(np.int8)

    def pixel_table(self) -> NDArray[np.int8]:
        """Returns int8 [256, channels]: what each 8-bit pixel value becomes.

        From 0 to 255 the real value of a pixel goes evenly from one end of ``pixel_range`` to the
        other. From -1 to 1 that of p is p / 127.5 - 1; at scale 1/127.5 every pixel then lies
        halfway between two steps, where a rounding error of the division would decide; there the
        exact result, floor(p - 127.5 + 0.5) + zero_point = p - 127 + zero_point, is taken.
        """
        ends = zip(self.pixel_range[::2], self.pixel_range[1::2], strict=True)
        columns = np.stack([self._pixels(low, high) for low, high in ends], axis=1)
        return np.broadcast_to(columns, (len(columns), self.channels))

    def _pixels(self, low: float, high: float) -> NDArray[np.int8]:
        pixels = np.arange(256)
        if (low, high) == PIXEL_RANGE:
            if math.isclose(self.scale, _PIXEL_SCALE, rel_tol=1e-6):
                return (pixels - 127 + self.zero_point).clip(-128, 127).astype(np.int8)
            return self.quantize(pixels / 127.5 - 1)
        return self.quantize(low + pixels * ((high - low) / 255))

    def from_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.int8]:
        """What 8-bit pixels become: int8 of uint8, both [..., channels]."""
        return self.pixel_table()[pixels, np.arange(self.channels)]

    @property
    def pixel_steps(self) -> NDArray[np.float64]:
        """How many int8 steps lie between neighbouring pixel values: one number, or [channels]."""
        low, high = (np.array(self.pixel_range[place::2]) for place in (0, 1))
        return (high - low) / 255 / self.scale

    def check_images(self) -> None:
        """Refuse images where the network reads something else.

        Raises:
            DataError: the input has other than one or three channels.
        """
        if self.channels not in IMAGE_CHANNELS:
            raise DataError(
                f"the network reads {self.channels} channels, and images have 1 or 3",
                hint="put samples as the network reads them into an .npz pack: inputs and labels",
            )


@dataclass(frozen=True, eq=False)
class Samples:
    """Quantized samples with their labels; the arrays are read-only.

    Attributes:
        inputs: int8 [n, height, width, channels].
        labels: int32 [n]: indices into the dataset's class names, sets of them, or values; see
            `LabelKind`.
    """

    inputs: NDArray[np.int8]
    labels: NDArray[np.int32]

    def __post_init__(self) -> None:
        self.inputs.setflags(write=False)
        self.labels.setflags(write=False)

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, indices: Sequence[int]) -> Samples:
        """Some of them, in this order."""
        rows = np.array(indices, np.int64)
        inputs: NDArray[np.int8] = self.inputs[rows]
        labels: NDArray[np.int32] = self.labels[rows]
        return Samples(inputs, labels)


@dataclass(frozen=True)
class Skipped:
    """A sample, a file or a folder that was left out.

    Attributes:
        where: its name, as seen from the data's folder or pack.
        reason: in a few words.
        class_name: of its class; None where it has none, or several.
    """

    where: str
    reason: str
    class_name: str | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples to learn from, samples to be judged by, and the names of their classes.

    Attributes:
        name: of the dataset.
        train: to learn from.
        test: to be judged by.
        class_names: at least two; or the name of the value; or what is normal and the kinds of
            anomalies, of which there may be none.
        label_kind: what a label is.
        value_range: where labels are values, what -65,536 and 65,536 stand for; where normal
            samples are learned, that of an element.
        skipped: what lay among the samples and was left out.
        notes: what was done to samples that somebody should know, a sentence each.
    """

    name: str
    train: Samples
    test: Samples
    class_names: tuple[str, ...]
    label_kind: LabelKind = LabelKind.CLASS
    value_range: tuple[float, float] = VALUE_RANGE
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def name_of(self, label: int) -> str:
        """A label in words."""
        if self.label_kind is LabelKind.VALUE:
            return f"{value_of(label, self.value_range):.4g}"
        if self.label_kind is not LabelKind.SET:
            return self.class_names[label]
        applying = [name for k, name in enumerate(self.class_names) if label >> k & 1]
        return ", ".join(applying) or "none"


def value_of(label: int, value_range: tuple[float, float]) -> float:
    """The value that a label stands for, or that a logit estimates."""
    low, high = value_range
    return low + (label + VALUE_END) * (high - low) / (2 * VALUE_END)


def value_labels(
    values: NDArray[np.floating[Any]], value_range: tuple[float, float]
) -> NDArray[np.int32]:
    """The labels of finite values; beyond 32,767 times half the range they are cut off."""
    low, high = value_range
    labels = np.floor((values.astype(np.float64) - low) / (high - low) * 2 * VALUE_END + 0.5)
    limits = np.iinfo(np.int32)
    return (labels - VALUE_END).clip(limits.min, limits.max).astype(np.int32)


def with_value_range(dataset: Dataset, value_range: tuple[float, float]) -> Dataset:
    """The same samples, with their values as labels of another range."""
    if dataset.value_range == value_range:
        return dataset

    def moved(samples: Samples) -> Samples:
        values = [value_of(label, dataset.value_range) for label in samples.labels.tolist()]
        return Samples(samples.inputs, value_labels(np.array(values, np.float64), value_range))

    train, test = moved(dataset.train), moved(dataset.test)
    return replace(dataset, train=train, test=test, value_range=value_range)


def with_class_order(dataset: Dataset, class_names: tuple[str, ...]) -> Dataset:
    """The same samples, with their classes numbered as in ``class_names``.

    Args:
        dataset: of the same classes, one a sample.
        class_names: each of them once, in the order that is wanted.
    """
    number = np.array([class_names.index(name) for name in dataset.class_names], np.int32)
    train, test = (Samples(s.inputs, number[s.labels]) for s in (dataset.train, dataset.test))
    return replace(dataset, train=train, test=test, class_names=class_names)


def pack_digest(dataset: Dataset) -> str:
    """Returns the SHA-256, in hex, of the shapes, inputs and labels of both splits."""
    digest = hashlib.sha256()
    for samples in (dataset.train, dataset.test):
        digest.update(repr(samples.inputs.shape).encode())
        digest.update(np.ascontiguousarray(samples.inputs).tobytes())
        digest.update(samples.labels.astype("<i4").tobytes())
    return digest.hexdigest()
