"""Which format a model file has: those that are read, and what to do with some others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kilograd.errors import ModelError
from kilograd.frontend.checkpoint import read_checkpoint
from kilograd.frontend.lowering import lower
from kilograd.frontend.mcunet import build_graph
from kilograd.frontend.native import load_native, native_classes
from kilograd.frontend.network import Network
from kilograd.frontend.onnx import read_onnx
from kilograd.frontend.tflite import (
    FULL_INTEGER,
    is_tflite,
    read_c_array,
    read_tflite,
    tflite_classes,
)
from kilograd.ir import Graph

#: Makes a forward graph of a file; the number is of the classes of a fresh head.
_Frontend = Callable[[Path, int | None], Graph]


def _lowered(read: Callable[[Path], Network]) -> _Frontend:
    return lambda path, classes: lower(read(path), str(path), classes)


def _checkpoint(path: Path, classes: int | None) -> Graph:
    return build_graph(read_checkpoint(path), classes)


#: How the names of the files end that are read -> what reads one.
FORMATS: Mapping[str, _Frontend] = {
    ".tflite": _lowered(read_tflite),
    ".onnx": _lowered(read_onnx),
    ".npz": load_native,
    ".pkl": _checkpoint,
    **dict.fromkeys((".c", ".cc", ".cpp", ".cxx", ".h", ".hpp", ".ino"), _lowered(read_c_array)),
}

#: Formats whose files may say what the classes are called -> what reads that.
_CLASSES: Mapping[str, Callable[[Path], tuple[str, ...]]] = {
    ".npz": native_classes,
    ".tflite": tflite_classes,
}


@dataclass(frozen=True)
class _Foreign:
    """A format that is not read.

    Attributes:
        name: what such a file is.
        suffixes: of the names of such files, in lower case.
        way_out: what to do with it.
        beginning: of every such file; empty where there is none.
    """

    name: str
    suffixes: tuple[str, ...]
    way_out: str
    beginning: bytes = b""


_CONVERTED = f"convert it to a .tflite file {FULL_INTEGER}"
_FOREIGN = (
    _Foreign("a Keras model", (".keras", ".h5", ".hdf5"), _CONVERTED, b"\x89HDF\r\n\x1a\n"),
    _Foreign("a TensorFlow graph", (".pb",), _CONVERTED),
    _Foreign(
        "a PyTorch file, which holds weights or code and no graph",
        (".pt", ".pth", ".pt2", ".ckpt", ".safetensors"),
        "give the module itself to kilograd.from_torch, or export it to a float .onnx file, which "
        "kilograd quantize makes int8",
    ),
    _Foreign(
        "a Core ML model",
        (".mlmodel", ".mlpackage"),
        "export the network that it was made from to .tflite or .onnx",
    ),
)
#: What a folder has in it that TensorFlow saved a model to.
_SAVED_MODEL = "saved_model.pb"
_ZIP = b"PK"
_LONGEST_BEGINNING = 16


def read_graph(path: Path, classes: int | None) -> Graph:
    """The forward graph of a model file.

    Args:
        path: of the file; how it ends says its format, and where that says nothing, its contents.
        classes: of a freshly initialised head; None keeps the head of the file.

    Raises:
        ModelError: the format is not read, or the file cannot be used.
    """
    return FORMATS[_format_of(path)](path, classes)


def read_classes(path: Path) -> tuple[str, ...]:
    """What a model file calls the classes of its head; empty where it does not say.

    Raises:
        ModelError: the format is not read, or the file cannot be used.
    """
    read = _CLASSES.get(_format_of(path))
    return () if read is None else read(path)


def _format_of(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in FORMATS:
        return suffix
    beginning = _beginning(path)
    if is_tflite(beginning):
        return ".tflite"
    if foreign := _foreign(path, beginning):
        raise foreign
    if beginning.startswith(_ZIP):
        return ".pkl"
    raise ModelError(
        "this is no model file that kilograd knows",
        where=str(path),
        hint="kilograd reads int8 networks from .tflite and .onnx files, from the C arrays that "
        ".tflite files become for firmwares, from .npz files of its own, and published "
        ".pkl checkpoints",
    )


def folder_error(path: Path) -> ModelError:
    """What is wrong with a folder in a model file's place."""
    if foreign := _foreign(path):
        return foreign
    if (path / _SAVED_MODEL).is_file():
        return ModelError(
            "this folder is a SavedModel of TensorFlow", where=str(path), hint=_CONVERTED
        )
    return ModelError(
        "this is a folder, not a model file", where=str(path), hint="name the model file in it"
    )


def _foreign(path: Path, beginning: bytes = b"") -> ModelError | None:
    """What is said of a format that is not read; None where it is none that is known."""
    for one in _FOREIGN:
        is_named = path.suffix.lower() in one.suffixes
        if is_named or (one.beginning and beginning.startswith(one.beginning)):
            return ModelError(f"this is {one.name}", where=str(path), hint=one.way_out)
    return None


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_BEGINNING)
    except OSError as error:
        raise ModelError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
