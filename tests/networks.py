"""A small residual network with odd channel counts as a model file, for tests of whole runs."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kilograd.frontend.native import load_native
from kilograd.ir import Graph

INPUT_SCALE, INPUT_ZERO = 1 / 127.5, 0

#: name, kind, output channels, kernel, stride, whether the result is clamped at zero
LAYERS = (
    ("stem", "conv", 7, 3, 2, True),
    ("blocks.0.pointwise1", "pointwise", 13, 1, 1, True),
    ("blocks.0.depthwise", "depthwise", 13, 3, 1, True),
    ("blocks.0.pointwise2", "pointwise", 7, 1, 1, False),
    ("blocks.0.add", "add", 7, 1, 1, False),
    ("blocks.1.pointwise1", "pointwise", 15, 1, 1, True),
    ("blocks.1.depthwise", "depthwise", 15, 5, 2, True),
    ("blocks.1.pointwise2", "pointwise", 9, 1, 1, False),
)
WEIGHTED = (*(name for name, kind, *_ in LAYERS if kind != "add"), "head")


@dataclass
class NativeModel:
    """The parts of a model file; tests change them before `write`."""

    structure: dict[str, Any]
    arrays: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        structure = np.array(json.dumps(self.structure))
        with path.open("wb") as file:
            np.savez(file, structure=structure, **self.arrays)
        return path

    def layer(self, name: str) -> dict[str, Any]:
        return next(layer for layer in self.structure["layers"] if layer["name"] == name)


def native_model(
    *, height: int = 16, width: int = 16, channels: int = 3, classes: int = 4, seed: int = 1
) -> NativeModel:
    """A model whose activations are seldom clamped where nothing asks for it."""
    rng = np.random.default_rng(seed)
    entry = {"height": height, "width": width, "channels": channels}
    model = NativeModel(
        {
            "name": "tiny",
            "input": entry | {"scale": INPUT_SCALE, "zero_point": INPUT_ZERO},
            "layers": [],
        }
    )
    inputs = channels
    for name, kind, outputs, kernel, stride, is_clamped in LAYERS:
        scale, zero = (0.025, -128) if is_clamped else (0.04, 3)
        model.structure["layers"].append(
            {"name": name, "kind": kind, "kernel": kernel, "stride": stride}
            | {"y_scale": scale, "y_zero": zero}
        )
        if kind != "add":
            fan = 1 if kind == "depthwise" else inputs
            _add_arrays(model, rng, name, (outputs, fan, kernel, kernel))
        inputs = outputs
    _add_arrays(model, rng, "head", (classes, inputs))
    return model


def _add_arrays(model: NativeModel, rng, name: str, shape: tuple[int, ...]) -> None:
    outputs, terms = shape[0], int(np.prod(shape[1:]))
    spread = rng.uniform(1.2, 2.4, outputs) / np.sqrt(terms) / 64
    model.arrays[f"{name}.weight"] = rng.integers(-110, 111, shape).astype(np.int8)
    model.arrays[f"{name}.bias"] = rng.integers(-900, 900, outputs).astype(np.int32)
    model.arrays[f"{name}.w_scales"] = spread.astype(np.float32)


def tiny_graph(folder: Path, *, fresh_classes: int | None = None, **options) -> Graph:
    """The graph of a freshly written model file, with its own head or a fresh one."""
    path = native_model(**options).write(folder / "tiny.npz")
    return load_native(path, fresh_classes)


def blobs(graph: Graph, count: int, *, seed: int = 0, classes: int = 2):
    """Samples of easily told classes: noise, and a bright half that says which. With labels."""
    rng = np.random.default_rng(seed)
    height, width, channels = graph.inputs[0].type.shape
    labels = np.arange(count, dtype=np.int32) % classes
    inputs = rng.integers(-40, 41, (count, height, width, channels))
    for index, label in enumerate(labels):
        start = int(label) * width // classes
        inputs[index, :, start : start + width // classes] += 70 * (-1) ** (int(label) % 2)
    return inputs.clip(-128, 127).astype(np.int8), labels
