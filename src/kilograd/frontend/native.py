"""kilograd's own model files: int8 layers in an .npz, described by a JSON list.

``structure`` is a JSON text: {"name", "input": {"height", "width", "channels", "scale",
"zero_point"}, "layers": [...]}. A layer has a "name", a "kind" (conv, pointwise, depthwise or
add), the result's "y_scale" and "y_zero", and, except for add, "kernel" and "stride"; a layer
reads the layer before it, and an add joins the result of the pointwise layer before it with the
input of its block ("blocks.3" of "blocks.3.add"). Arrays: ``<layer>.weight`` int8 [O, I, kh, kw],
``<layer>.bias`` int32, ``<layer>.w_scales`` float32; ``head.*`` likewise, [classes, channels].
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.errors import ModelError
from kilograd.frontend.builder import GraphBuilder, Parameters, fresh_head
from kilograd.ir import Graph, Quantization
from kilograd.ops.window import Window

_KINDS = ("conv", "pointwise", "depthwise", "add")


def load_native(path: Path, classes: int | None = None, seed: int = 0) -> Graph:
    """The forward graph of a model file.

    Args:
        path: of the .npz.
        classes: of a freshly initialised head, at least 2; None keeps the file's head.
        seed: of the fresh head.

    Raises:
        ModelError: when the file is damaged, of another kind, or does not fit together.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        structure = json.loads(str(arrays.pop("structure")[()]))
        return _Reader(structure, arrays, path).graph(classes, seed)
    except ModelError:
        raise
    except (OSError, KeyError, ValueError, TypeError, EOFError, IndexError, RecursionError,
            zipfile.BadZipFile) as error:  # fmt: skip
        raise ModelError(
            f"this is not a model of kilograd: {type(error).__name__}: {error}",
            where=str(path),
            hint="models are made by tools/pretrain_backbone.py, or read from a .pkl checkpoint",
        ) from error


class _Reader:
    """Walks the list of layers."""

    def __init__(
        self, structure: dict[str, Any], arrays: dict[str, NDArray[Any]], path: Path
    ) -> None:
        self._structure = structure
        self._arrays = arrays
        self._path = path

    def graph(self, classes: int | None, seed: int) -> Graph:
        entry = self._structure["input"]
        builder = GraphBuilder(
            str(self._structure["name"]),
            int(entry["height"]),
            int(entry["width"]),
            int(entry["channels"]),
            Quantization((float(entry["scale"]),), int(entry["zero_point"])),
        )
        x = "input"
        entries: dict[str, str] = {}
        for layer in self._structure["layers"]:
            block = str(layer["name"]).rpartition(".")[0]
            entries.setdefault(block, x)
            x = self._layer(builder, layer, x, entries[block])
        x = builder.average_pool("pool", x)
        channels = builder.type_of(x).shape[2]
        head = (
            self._parameters("head", "pointwise")
            if classes is None
            else fresh_head(channels, classes, seed)
        )
        return builder.finish(builder.dense("head", x, head))

    def _layer(self, builder: GraphBuilder, layer: dict[str, Any], x: str, entry: str) -> str:
        name, kind = str(layer["name"]), layer["kind"]
        output = Quantization((float(layer["y_scale"]),), int(layer["y_zero"]))
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
        window = Window.same(int(layer["kernel"]), int(layer["stride"]))
        if kind == "conv":
            return builder.conv(name, x, parameters, window, output)
        return builder.depthwise(name, x, parameters, window, output)

    def _parameters(self, name: str, kind: str) -> Parameters:
        weight: NDArray[np.int8] = self._array(f"{name}.weight", np.int8)
        bias = self._array(f"{name}.bias", np.int32)
        scales = self._array(f"{name}.w_scales", np.float32)
        if np.any(weight == -128):  # noqa: PLR2004 - int8's lowest value has no opposite
            raise ModelError(f"{name}.weight holds -128", where=str(self._path))
        if kind == "pointwise":
            weight = weight.reshape(len(bias), -1)
        elif kind == "conv":
            weight = np.ascontiguousarray(np.transpose(weight, (0, 2, 3, 1)))
        else:
            weight = np.ascontiguousarray(np.transpose(weight[:, 0], (1, 2, 0)))
        return Parameters(weight, bias, scales.astype(np.float64))

    def _array(self, name: str, dtype: type[np.generic]) -> NDArray[Any]:
        if name not in self._arrays:
            raise ModelError(f"the file has no array {name}", where=str(self._path))
        array = self._arrays[name]
        if array.dtype != dtype:
            raise ModelError(
                f"{name} is {array.dtype}, not {np.dtype(dtype).name}", where=str(self._path)
            )
        return array
