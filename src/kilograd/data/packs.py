"""Reads .npz packs: images, audio, motion, or plain arrays of samples.

A pack's arrays:

- `jpeg` uint8 [bytes] and `offsets` int [n + 1]: image i is `jpeg[offsets[i]:offsets[i + 1]]`; or
- `mulaw` uint8 [n, samples], or [bytes] with `offsets`: audio, see `signals`; or
- `x` float or int16 [n, samples, channels] and `channels` str [channels]: motion, with `rate` and
  `units` where they are not the network's, see `signals`; or
- `inputs` [n, height, width, channels], or [n, channels] of vectors: int8 samples as the network
  reads them, or real values in float16, float32 or float64, which are quantized here;
- `labels` int [n], or [n, classes] of 0 and 1 where a sample has any number of labels; or
- `values` [n], numbers where each sample has a value to be estimated, and `value_name` str, what
  that is called, optional: "value" where absent;
- `split` int [n], optional: 0 train, 1 test, anything else is left out;
- `class_names` str [classes], optional: "0", "1", ... where absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kilograd.data.images import decode_images
from kilograd.data.pack import Pack, describe, read_pack
from kilograd.data.samples import value_labels
from kilograd.data.signals import audio_decoder, motion_decoder
from kilograd.data.source import Decoded, Source
from kilograd.features import LogMel, Motion
from kilograd.ir import MOST_LABELS, VALUE_RANGE, LabelKind, is_value_range

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kilograd.data.samples import InputSpec
    from kilograd.data.source import Decoder

#: The array that tells what a pack holds.
_HELD = {"jpeg": "images", "mulaw": "audio", "x": "motion"}
_NOUNS = {"audio": "recordings", "motion": "windows"}
_READERS = {"images": "kilograd-48", "audio": "kilograd-kws", "motion": "kilograd-motion"}
_KNOWN = {
    *_HELD,
    "offsets",
    "rate",
    "channels",
    "units",
    "inputs",
    "labels",
    "values",
    "value_name",
    "split",
    "class_names",
}
_TRAIN, _TEST = 0, 1
_SAMPLE_DIMENSIONS = 4


def open_pack(path: Path, spec: InputSpec, fewest: int = 2) -> Source:
    """Reads and checks a pack; no sample is decoded yet.

    Raises:
        DataError: not a pack, one of another kind than the network reads, or an array of it that
            is damaged or does not fit the others.
    """
    pack = read_pack(path, _KNOWN)
    kind = pack.label_kind
    values = pack.values() if kind is LabelKind.VALUE else None
    if values is not None:
        labels, class_names = np.zeros(len(values), np.int64), (pack.value_name(),)
    else:
        labels, class_names = _label_sets(pack) if kind is LabelKind.SET else _labels(pack, fewest)
    decode = _decoder(pack, len(labels), spec)
    split = pack.integers("split") if "split" in pack.arrays else np.zeros(len(labels), np.int64)
    if len(split) != len(labels):
        pack.fail(f"split has {len(split)} entries for {len(labels)} labels")
    train, test = (np.flatnonzero(split == part).tolist() for part in (_TRAIN, _TEST))
    if not train and not test:
        pack.fail("no sample is marked as train (split 0) or test (split 1)")
    held = next((kind for name, kind in _HELD.items() if name in pack.arrays), "samples")
    value_range = VALUE_RANGE
    if values is not None:
        labels, value_range = _as_labels(pack, values, train)
    return Source(
        labels.tolist(),
        class_names,
        train,
        test or None,
        decode,
        kind,
        value_range,
        noun=_NOUNS.get(held, held),
    )


def _labels(pack: Pack, fewest: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """A class for each sample, and the names of all."""
    labels = pack.integers("labels")
    if len(labels) == 0:
        pack.fail("the pack has no samples")
    class_names = pack.class_names(int(labels.max()) + 1, fewest)
    wrong = np.flatnonzero((labels < 0) | (labels >= len(class_names)))
    if wrong.size:
        index = wrong[0]
        pack.fail(
            f"sample {index} has label {labels[index]}, outside 0..{len(class_names) - 1}",
            hint="labels are indices into class_names",
        )
    return labels, class_names


def _as_labels(
    pack: Pack, values: NDArray[np.float64], train: Sequence[int]
) -> tuple[NDArray[np.int32], tuple[float, float]]:
    """Values as labels, and the range of those that are learned."""
    learned = values[list(train)] if train else values
    low, high = float(learned.min()), float(learned.max())
    if not low < high:
        pack.fail(
            f"all training samples have the value {low:g}",
            hint="a network learns how values differ: give it samples of several",
        )
    if not is_value_range(low, high):
        pack.fail(
            f"values from {low!r} to {high!r} are no range in float32, as firmware needs it",
            hint="subtract what they have in common, or give them in another unit",
        )
    return value_labels(values, (low, high)), (low, high)


def _label_sets(pack: Pack) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """A set of labels for each sample, as a number, and the names of all labels."""
    applies = pack.arrays["labels"]
    count, classes = applies.shape
    if count == 0:
        pack.fail("the pack has no samples")
    if applies.dtype.kind not in "biu" or not np.isin(applies, (0, 1)).all():
        pack.fail(
            f"labels is {describe(applies)}, and not all of it is 0 or 1",
            hint="labels [n, classes] say of each class whether it applies: 0 or 1",
        )
    if classes > MOST_LABELS:
        pack.fail(f"labels has {classes} classes, and sets have at most {MOST_LABELS}")
    class_names = pack.class_names(classes)
    if len(class_names) != classes:
        pack.fail(f"class_names has {len(class_names)} names for {classes} columns of labels")
    bits = np.array([1 << k for k in range(classes)], np.int64)
    return np.where(applies == 1, bits, 0).sum(axis=1), class_names


def _decoder(pack: Pack, count: int, spec: InputSpec) -> Decoder:
    """What turns sample indices into the network's inputs."""
    held = next((kind for name, kind in _HELD.items() if name in pack.arrays), None)
    if held is None:
        return _plain_decoder(pack, count, spec)
    wanted = "images" if spec.features is None else spec.features.source
    if held != wanted:
        size = "×".join(map(str, spec.shape))
        pack.fail(
            f"the pack holds {held}, and the network reads {wanted} ({size})",
            hint=f"{_READERS[held]} comes with kilograd and reads {held}",
        )
    if isinstance(spec.features, LogMel):
        return audio_decoder(pack, count, spec.features)
    if isinstance(spec.features, Motion):
        return motion_decoder(pack, count, spec.features)
    return _image_decoder(pack, count, spec)


def _image_decoder(pack: Pack, count: int, spec: InputSpec) -> Decoder:
    jpeg = pack.arrays["jpeg"]
    if jpeg.dtype != np.uint8 or jpeg.ndim != 1:
        pack.fail(f"jpeg is {describe(jpeg)} instead of uint8 [bytes]")
    offsets = pack.offsets("jpeg", count, len(jpeg))
    return lambda indices: Decoded(
        decode_images(
            [
                (f"{pack.path}: image {index}", jpeg[offsets[index] : offsets[index + 1]].tobytes())
                for index in indices
            ],
            spec,
        )
    )


def _plain_decoder(pack: Pack, count: int, spec: InputSpec) -> Decoder:
    inputs = pack.arrays.get("inputs")
    if inputs is None:
        pack.fail("the pack has none of 'jpeg', 'mulaw', 'x' and 'inputs'")
    if inputs.dtype != np.int8 and inputs.dtype.kind != "f":
        pack.fail(f"inputs is {describe(inputs)} instead of int8 or float")
    if inputs.ndim == 2 and spec.shape[:2] == (1, 1):  # noqa: PLR2004 - samples, elements
        inputs = inputs[:, None, None, :]
    if inputs.ndim != _SAMPLE_DIMENSIONS or inputs.shape[1:] != spec.shape:
        pack.fail(
            f"inputs has shape {inputs.shape} instead of (n, {spec.height}, {spec.width}, "
            f"{spec.channels})",
            hint="plain samples are not resized; only images are",
        )
    if len(inputs) != count:
        pack.fail(f"inputs has {len(inputs)} samples for {count} labels")
    if inputs.dtype == np.int8:
        return lambda indices: Decoded(inputs[list(indices)])
    finite = np.isfinite(inputs).all(axis=(1, 2, 3))
    if not finite.all():
        pack.fail(f"sample {np.flatnonzero(~finite)[0]} of inputs holds NaN or infinity")

    def quantize(indices: Sequence[int]) -> Decoded:
        return Decoded(spec.quantize(inputs[list(indices)]))

    return quantize
