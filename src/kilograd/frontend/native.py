"""kilograd's own model files: int8 layers in an .npz, described by a JSON list.

``structure`` is a JSON text: {"name", "input": {"height", "width", "channels", "scale",
"zero_point"}, "layers": [...]}. A layer has a "name", a "kind" (conv, pointwise, depthwise or
add), the result's "y_scale" and "y_zero", and, except for add, "kernel" (taps of a square window,
or [height, width]) and "stride"; a layer reads the layer before it, and an add joins the result of
the pointwise layer before it with the input of its block ("blocks.3" of "blocks.3.add"). Arrays:
``<layer>.weight`` int8 [O, I, kh, kw], ``<layer>.bias`` int32, ``<layer>.w_scales`` float32;
``head.*`` likewise, [classes, channels].

A network that reads no pixels says under "features" of its input what it reads: see
``kilograd.features``. "classes" may name the classes of its head.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from kilograd.errors import ModelError
from kilograd.features import Features, parse_features
from kilograd.frontend.builder import GraphBuilder, Parameters, fresh_head
from kilograd.frontend.malformed import MALFORMED
from kilograd.ir import Graph, Quantization, TensorType
from kilograd.npz import NpzError, read_npz
from kilograd.ops.common.window import Window

_KINDS = ("conv", "pointwise", "depthwise", "add")

#: Largest file, unpacked; a microcontroller holds far less.
_MAX_BYTES = 256 * 1024**2

#: Largest height, width and number of channels of the input.
_MAX_EXTENT = 4096

_LAYER_NAME = re.compile(r"(?=.{1,64}$)[A-Za-z]\w*(\.\w+)*", re.ASCII)


def load_native(path: Path, classes: int | None = None) -> Graph:
    """The forward graph of a model file.

    Args:
        path: of the .npz.
        classes: of a freshly initialised head, at least 2; None keeps the file's head.

    Raises:
        ModelError: when the file is damaged, of another kind, or does not fit together.
    """
    try:
        arrays = read_npz(path, _MAX_BYTES)
        _check_kind(arrays, path)
        structure = json.loads(str(arrays.pop("structure")[()]))
        return _Reader(structure, arrays, path).graph(classes)
    except ModelError:
        raise
    except NpzError as error:
        raise _not_a_model(path, str(error)) from error
    except MALFORMED as error:
        raise _not_a_model(path, f"{type(error).__name__}: {error}") from error


def native_classes(path: Path) -> tuple[str, ...]:
    """What a model file calls the classes of its head; empty where it does not say.

    Raises:
        ModelError: when the file is damaged, or of another kind, or its head has other classes.
    """
    try:
        arrays = read_npz(path, _MAX_BYTES)
        _check_kind(arrays, path)
        names = tuple(map(str, json.loads(str(arrays["structure"][()])).get("classes", [])))
        count = len(arrays["head.weight"])
    except ModelError:
        raise
    except NpzError as error:
        raise _not_a_model(path, str(error)) from error
    except MALFORMED as error:
        raise _not_a_model(path, f"{type(error).__name__}: {error}") from error
    different = len(set(names))
    if names and not different == len(names) == count:
        what = f"it names {different} classes, and its head has {count}"
        raise ModelError(what, where=str(path))
    return names


def _check_kind(arrays: Mapping[str, object], path: Path) -> None:
    if "structure" not in arrays and "labels" in arrays:
        raise ModelError(
            "this is a pack of samples, and no model",
            where=str(path),
            hint="name the model first, and the samples as its data",
        )


def _not_a_model(path: Path, found: str) -> ModelError:
    return ModelError(
        f"this is not a model of kilograd: {found}",
        where=str(path),
        hint="models are made by the scripts in pretraining/, or read from a .pkl checkpoint",
    )


class _Reader:
    """Walks the list of layers."""

    def __init__(
        self, structure: dict[str, Any], arrays: dict[str, NDArray[Any]], path: Path
    ) -> None:
        self._structure = structure
        self._arrays = arrays
        self._path = path

    def graph(self, classes: int | None) -> Graph:
        entry = self._structure["input"]
        height, width, channels = (
            self._whole(entry[key], key, 1, _MAX_EXTENT) for key in ("height", "width", "channels")
        )
        name = str(self._structure["name"])
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
            raise self._error("the model's name must be letters, digits, dots and dashes")
        output = self._quantization(entry["scale"], entry["zero_point"])
        builder = GraphBuilder(name, height, width, channels, output)
        x = "input"
        features = self._features(entry, builder.type_of(x))
        entries: dict[str, str] = {}
        taken = {"input", "pool", "head"}
        for layer in self._structure["layers"]:
            if not _LAYER_NAME.fullmatch(str(layer["name"])) or layer["name"] in taken:
                raise self._error(f"{layer['name']!r} is not a valid name for a layer, or is taken")
            taken.add(layer["name"])
            block = str(layer["name"]).rpartition(".")[0]
            entries.setdefault(block, x)
            x = self._layer(builder, layer, x, entries[block])
        x = builder.average_pool("pool", x)
        channels = builder.type_of(x).shape[2]
        head = (
            self._parameters("head", "pointwise")
            if classes is None
            else fresh_head(channels, classes)
        )
        return builder.finish(builder.dense("head", x, head), features)

    def _features(self, entry: dict[str, Any], input_type: TensorType) -> Features | None:
        """What the input is made of, once it has been found to be right."""
        stated = entry.get("features")
        if stated is None:
            return None
        try:
            features = parse_features(stated, input_type)
        except ModelError as error:
            raise ModelError(error.what, where=str(self._path), hint=error.hint) from error
        return features

    def _layer(self, builder: GraphBuilder, layer: dict[str, Any], x: str, entry: str) -> str:
        name, kind = str(layer["name"]), layer["kind"]
        output = self._quantization(layer["y_scale"], layer["y_zero"])
        if kind == "add":
            return builder.add(name, entry, x, output)
        if kind not in _KINDS:
            raise ModelError(
                f"layer {name} is of unknown kind {kind!r}",
                where=str(self._path),
                hint=f"known: {', '.join(_KINDS)}",
            )
        parameters = self._parameters(name, kind)
        if kind == "pointwise":
            return builder.pointwise(name, x, parameters, output)
        stride = self._whole(layer["stride"], f"{name}: stride", 1, _MAX_EXTENT)
        window = self._window(name, layer["kernel"], stride)
        if kind == "conv":
            return builder.conv(name, x, parameters, window, output)
        return builder.depthwise(name, x, parameters, window, output)

    def _window(self, name: str, kernel: Any, stride: int) -> Window:
        """With half of the kernel, rounded down, as padding on every side."""
        taps = cast("list[Any]", kernel) if isinstance(kernel, list) else [kernel, kernel]
        height, width = (self._whole(tap, f"{name}: kernel", 1, _MAX_EXTENT) for tap in taps)
        top, left = height // 2, width // 2
        return Window(height, width, stride, top, top, left, left)

    def _parameters(self, name: str, kind: str) -> Parameters:
        weight: NDArray[np.int8] = self._array(f"{name}.weight", np.int8)
        bias = self._array(f"{name}.bias", np.int32)
        scales = self._array(f"{name}.w_scales", np.float32)
        shapes = weight.shape, bias.shape, scales.shape
        is_whole = weight.ndim == 4 or (weight.ndim == 2 and kind == "pointwise")  # noqa: PLR2004
        is_whole &= kind != "depthwise" or weight.shape[1:2] == (1,)
        if not (weight.size and is_whole and shapes[1:] == (weight.shape[:1],) * 2):
            raise self._error(f"{name}: weight, bias and w_scales of shapes {shapes} do not fit")
        if np.any(weight == -128):  # noqa: PLR2004 - int8's lowest value has no opposite
            raise ModelError(f"{name}.weight holds -128", where=str(self._path))
        if kind == "pointwise":
            weight = weight.reshape(len(bias), -1)
        elif kind == "conv":
            weight = np.ascontiguousarray(np.transpose(weight, (0, 2, 3, 1)))
        else:
            weight = np.ascontiguousarray(np.transpose(weight[:, 0], (1, 2, 0)))
        return Parameters(weight, bias, scales.astype(np.float64))

    def _error(self, what: str) -> ModelError:
        return ModelError(what, where=str(self._path))

    def _whole(self, value: Any, what: str, low: int, high: int) -> int:
        if not isinstance(value, int) or not low <= value <= high:
            raise self._error(f"{what} must be a whole number from {low} to {high}")
        return value

    def _quantization(self, scale: Any, zero: Any) -> Quantization:
        return Quantization((float(scale),), self._whole(zero, "a zero point", -128, 127))

    def _array(self, name: str, dtype: type[np.generic]) -> NDArray[Any]:
        if name not in self._arrays:
            raise ModelError(f"the file has no array {name}", where=str(self._path))
        array = self._arrays[name]
        if array.dtype != dtype:
            raise ModelError(
                f"{name} is {array.dtype}, not {np.dtype(dtype).name}", where=str(self._path)
            )
        return array
