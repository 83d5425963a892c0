"""Samples as a float network reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.data import InputSpec, Samples, load_dataset
from kilograd.data.choose import split_by_class
from kilograd.data.images import SUFFIXES, decode_images
from kilograd.data.pack import read_pack
from kilograd.errors import DataError
from kilograd.frontend.onnx.maps import Map
from kilograd.ir import PIXEL_RANGE, LabelKind

#: With this quantization the int8 of an image is its pixel less 128.
_PIXELS = (1 / 127.5, -1)
_PIXEL_ZERO = 128

_BRIGHTEST = 255

#: Of the labelled samples of a pack that does not tell train from test.
_TEST_SHARE = 0.25

#: Batch, height, width, channels.
_RANK = 4


@dataclass(frozen=True, eq=False)
class FloatSamples:
    """Samples of a float network.

    Attributes:
        inputs: float32 [n, height, width, channels].
        labels: int32 [n]; None where nobody says what the samples are.
        classes: how many there are; 0 without labels.
        are_pixels: whether they are images.
        values: float64 [n] that are to be estimated; None where there are none.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int32] | None
    classes: int
    are_pixels: bool = False
    values: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def as_read(self, map_: Map) -> NDArray[np.float32]:
        """Inputs in the order in which a file has them.

        Args:
            map_: the network's input.

        Returns:
            float32 [n, 1, ...]: with a batch of one for each sample.
        """
        moved = self.inputs
        if map_.is_map and not map_.is_channels_last:
            moved = np.moveaxis(moved, -1, 1)
        return np.ascontiguousarray(moved).reshape(len(self), *map_.shape)


def read_samples(
    path: Path,
    map_: Map,
    limit: int,
    *,
    pixel_range: tuple[float, float] = PIXEL_RANGE,
    is_test: bool = False,
) -> FloatSamples:
    """Samples of a folder or a pack.

    Args:
        path: a folder of images, one folder of images for each class, or an .npz pack of images or
            of real numbers, ``inputs``, which are what the network reads.
        map_: the network's input.
        limit: most samples, balanced over the classes.
        pixel_range: what the darkest and the brightest pixel of an image are for the network; real
            numbers are taken as they are.
        is_test: whether the samples are those that a dataset holds back for testing.

    Raises:
        DataError: names what cannot be read, or does not suit the network.
    """
    real = _real_inputs(path) if path.suffix == ".npz" and path.is_file() else None
    if real is not None:
        return _from_pack(path, real, map_, limit, is_test=is_test)
    height, width, channels = map_.stored[1:] if map_.is_map else (1, 1, map_.channels)
    spec = InputSpec(height, width, channels, *_PIXELS)
    plain = _plain_images(path)
    if plain:
        files = [plain[int(place)] for place in np.linspace(0, len(plain) - 1, limit)]
        int8 = decode_images([(str(file), file) for file in dict.fromkeys(files)], spec)
        return FloatSamples(_reals(int8, pixel_range), None, 0, are_pixels=True)
    dataset = load_dataset(
        path, spec, limit=0 if is_test else limit, test_limit=limit if is_test else 0
    )
    held: Samples = dataset.test if is_test else dataset.train
    classes = len(dataset.class_names)
    return FloatSamples(_reals(held.inputs, pixel_range), held.labels, classes, are_pixels=True)


def _reals(inputs: NDArray[np.int8], pixel_range: tuple[float, float]) -> NDArray[np.float32]:
    """What the pixels of images stand for."""
    low, high = pixel_range
    pixels = inputs.astype(np.float64) + _PIXEL_ZERO
    return (low + pixels * ((high - low) / _BRIGHTEST)).astype(np.float32)


def _plain_images(path: Path) -> list[Path]:
    """Images that lie in a folder itself, without classes."""
    if not path.is_dir():
        return []
    return sorted(
        file
        for file in path.iterdir()
        if file.suffix.lower() in SUFFIXES and file.name[0] not in "._" and file.is_file()
    )


def _real_inputs(path: Path) -> NDArray[Any] | None:
    """The array ``inputs`` of a pack, if it has one."""
    inputs = read_pack(path, ("inputs",)).arrays.get("inputs")
    if inputs is not None and inputs.dtype.kind != "f":
        raise DataError(
            f"inputs is {inputs.dtype}, and a float network is calibrated with real numbers",
            where=str(path),
            hint="store the samples as float32, as the network reads them",
        )
    return inputs


def _from_pack(
    path: Path, inputs: NDArray[Any], map_: Map, limit: int, *, is_test: bool
) -> FloatSamples:
    """Real samples and their labels or values, which may be missing."""
    shape = map_.stored[1:] if map_.is_map else (1, 1, map_.channels)
    if inputs.ndim == 2 and not map_.is_map:  # noqa: PLR2004 - samples, elements
        inputs = inputs[:, None, None, :]
    if inputs.ndim != _RANK or inputs.shape[1:] != tuple(shape):
        wanted = ", ".join(map(str, shape))
        raise DataError(
            f"inputs has the shape {list(inputs.shape)} instead of [n, {wanted}]",
            where=str(path),
            hint="samples are [n, height, width, channels]; a vector is 1×1×channels",
        )
    pack = read_pack(path, ("labels", "split", "class_names", "values"))
    count = len(inputs)
    values = pack.values() if pack.label_kind is LabelKind.VALUE else None
    is_labelled = "labels" in pack.arrays and pack.label_kind is LabelKind.CLASS
    labels = pack.integers("labels") if is_labelled else None
    split = pack.integers("split") if "split" in pack.arrays else None
    for name, array in (("split", split), ("labels", labels), ("values", values)):
        if array is not None and len(array) != count:
            raise DataError(f"{name} has {len(array)} entries for {count} inputs", where=str(path))
    names = pack.class_names(int(labels.max()) + 1) if labels is not None and count else ()
    if labels is not None and not ((labels >= 0) & (labels < len(names))).all():
        raise DataError(f"a label lies outside 0 to {len(names) - 1}", where=str(path))
    kept: NDArray[Any] = np.arange(count)
    if split is not None:
        kept = np.flatnonzero(split == int(is_test))
    elif labels is not None:
        parts = split_by_class(labels.tolist(), names, share=_TEST_SHARE, seed=0)
        kept = np.array(parts[int(is_test)], np.int64)
    elif is_test:
        kept = kept[:0]
    kept = kept[np.unique(np.linspace(0, len(kept) - 1, limit).astype(int))] if len(kept) else kept
    chosen = inputs[kept].astype(np.float32)
    if not np.isfinite(chosen).all():
        raise DataError("inputs holds NaN or infinity", where=str(path))
    known = None if labels is None else labels[kept].astype(np.int32)
    right = None if values is None else values[kept]
    return FloatSamples(chosen, known, len(names), values=right)
