"""Reads .npz packs: JPEG images behind each other, or a plain array of samples.

A pack is read member by member and never through pickle. Its arrays:

- `jpeg` uint8 [bytes] and `offsets` int [n + 1]: image i is `jpeg[offsets[i]:offsets[i + 1]]`; or
- `inputs` [n, height, width, channels]: int8 samples as the network reads them, or real values
  in float16, float32 or float64, which are quantized here;
- `labels` int [n];
- `split` int [n], optional: 0 train, 1 test, anything else is left out;
- `class_names` str [classes], optional: "0", "1", ... where absent.
"""

from __future__ import annotations

import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib import format as npy

from kilograd.data.images import decode_images
from kilograd.data.source import Source
from kilograd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kilograd.data.samples import InputSpec

MAX_BYTES = 4 * 1024**3
"""Limit of one unpacked array."""

_KNOWN = frozenset({"jpeg", "offsets", "inputs", "labels", "split", "class_names"})
_TRAIN, _TEST = 0, 1
_SAMPLE_DIMENSIONS = 4
_MAX_CLASSES = 65536
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    OverflowError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,
    MemoryError,
)
_HINT = "a pack is an .npz of jpeg, offsets, labels, split and class_names, or of inputs and labels"


def open_pack(path: Path, spec: InputSpec) -> Source:
    """Reads and checks a pack; no image is decoded yet.

    Raises:
        DataError: not a pack, or an array of it that is damaged or does not fit the others.
    """
    arrays = _read_arrays(path)
    pack = _Pack(path, arrays)
    labels = pack.integers("labels")
    if len(labels) == 0:
        pack.fail("the pack has no samples")
    decode = pack.images(len(labels), spec) if "jpeg" in arrays else pack.inputs(labels, spec)
    class_names = pack.class_names(labels)
    wrong = np.flatnonzero((labels < 0) | (labels >= len(class_names)))
    if wrong.size:
        index = wrong[0]
        pack.fail(
            f"sample {index} has label {labels[index]}, outside 0..{len(class_names) - 1}",
            hint="labels are indices into class_names",
        )
    split = pack.integers("split") if "split" in arrays else np.zeros(len(labels), np.int64)
    if len(split) != len(labels):
        pack.fail(f"split has {len(split)} entries for {len(labels)} labels")
    train, test = (np.flatnonzero(split == part).tolist() for part in (_TRAIN, _TEST))
    if not train and not test:
        pack.fail("no sample is marked as train (split 0) or test (split 1)")
    return Source(labels.tolist(), class_names, train, test or None, decode)


class _Pack:
    """The arrays of a pack; each method checks what it returns.

    Args:
        path: the file, for messages.
        arrays: by name.
    """

    def __init__(self, path: Path, arrays: dict[str, NDArray[Any]]) -> None:
        self._path = path
        self._arrays = arrays

    def fail(self, what: str, *, hint: str = _HINT) -> NoReturn:
        raise DataError(what, where=str(self._path), hint=hint)

    def integers(self, name: str) -> NDArray[np.int64]:
        """Returns an array of one dimension as int64."""
        array = self._arrays.get(name)
        if array is None:
            self.fail(f"the pack has no array {name!r}")
        if array.dtype.kind not in "iu" or array.ndim != 1:
            self.fail(f"{name} is {_describe(array)} instead of integers [n]")
        return array.astype(np.int64)

    def class_names(self, labels: NDArray[np.int64]) -> tuple[str, ...]:
        """Returns at least two names; numbers where the pack has none."""
        array = self._arrays.get("class_names")
        if array is None:
            names = tuple(str(label) for label in range(min(int(labels.max()) + 1, _MAX_CLASSES)))
        elif array.dtype.kind != "U" or array.ndim != 1:
            self.fail(f"class_names is {_describe(array)} instead of str [classes]")
        else:
            try:
                names = tuple(str(name) for name in array)
            except ValueError:
                self.fail("class_names holds text that is not Unicode")
        if len(names) < 2:  # noqa: PLR2004  one class is nothing to learn
            self.fail(f"the pack has {len(names)} classes; at least two are needed")
        return names

    def images(self, count: int, spec: InputSpec) -> Callable[[Sequence[int]], NDArray[np.int8]]:
        """Returns a decoder of JPEG images by index."""
        jpeg, offsets = self._arrays["jpeg"], self.integers("offsets")
        if jpeg.dtype != np.uint8 or jpeg.ndim != 1:
            self.fail(f"jpeg is {_describe(jpeg)} instead of uint8 [bytes]")
        if len(offsets) != count + 1:
            self.fail(f"offsets has {len(offsets)} entries for {count} labels; it needs one more")
        if offsets[0] != 0 or offsets[-1] != len(jpeg) or (np.diff(offsets) <= 0).any():
            self.fail(f"offsets do not rise from 0 to {len(jpeg)}, the end of jpeg")
        return lambda indices: decode_images(
            [
                (
                    f"{self._path}: image {index}",
                    jpeg[offsets[index] : offsets[index + 1]].tobytes(),
                )
                for index in indices
            ],
            spec,
        )

    def inputs(
        self, labels: NDArray[np.int64], spec: InputSpec
    ) -> Callable[[Sequence[int]], NDArray[np.int8]]:
        """Returns a quantizer of plain samples by index."""
        inputs = self._arrays.get("inputs")
        if inputs is None:
            self.fail("the pack has neither 'jpeg' nor 'inputs'; only images are read so far")
        if inputs.dtype != np.int8 and inputs.dtype.kind != "f":
            self.fail(f"inputs is {_describe(inputs)} instead of int8 or float")
        if inputs.ndim != _SAMPLE_DIMENSIONS or inputs.shape[1:] != spec.shape:
            self.fail(
                f"inputs has shape {inputs.shape} instead of (n, {spec.height}, {spec.width}, "
                f"{spec.channels})",
                hint="plain samples are not resized; only images are",
            )
        if len(inputs) != len(labels):
            self.fail(f"inputs has {len(inputs)} samples for {len(labels)} labels")
        if inputs.dtype == np.int8:
            return lambda indices: inputs[list(indices)]
        finite = np.isfinite(inputs).all(axis=(1, 2, 3))
        if not finite.all():
            self.fail(f"sample {np.flatnonzero(~finite)[0]} of inputs holds NaN or infinity")
        return lambda indices: spec.quantize(inputs[list(indices)])


def _describe(array: NDArray[Any]) -> str:
    return f"{array.dtype} {list(array.shape)}"


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Reads those arrays of a pack that are known by name."""
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with _open_archive(path) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's remarks on headers that it repairs
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name in _KNOWN:
                    arrays[name] = _read_array(archive, member, path)
    except _DAMAGED as error:
        raise DataError("the pack is damaged", where=str(path), hint=_HINT) from error
    return arrays


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError("this is not a pack", where=str(path), hint=_HINT) from error


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    """Reads one member; `numpy.load` would allocate whatever the header asks for."""
    name = member.filename.removesuffix(".npy")
    if member.file_size > MAX_BYTES:
        what = f"the array {name!r} has more than {MAX_BYTES} bytes"
        raise DataError(what, where=str(path), hint=_HINT)
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, is_fortran, dtype = read_header(stream)
        if dtype.hasobject:
            raise DataError(
                f"the array {name!r} holds Python objects, which are not read",
                where=str(path),
                hint="save it with a numeric or a string dtype",
            )
        size = math.prod(shape) * dtype.itemsize
        content = stream.read(size + 1)
    if len(content) != size:
        what = f"the array {name!r} of shape {shape} does not have {size} bytes"
        raise DataError(what, where=str(path), hint=_HINT)
    array: NDArray[Any] = np.frombuffer(content, dtype)
    return np.reshape(array, shape, order="F" if is_fortran else "C")
