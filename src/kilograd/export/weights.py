"""A network's weights as an .npz file that NumPy and PyTorch read (docs/exporting.md)."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from kilograd.compiler import Program
from kilograd.export.deployment import named_classes
from kilograd.files import write_atomically, zipped
from kilograd.ir import Graph, Kind, Phase
from kilograd.memory.state_layout import StateHeader
from kilograd.npz import NpzError, read_npz
from kilograd.ops import REGISTRY
from kilograd.ops.arithmetic import NUMERICS_VERSION
from kilograd.ops.spec import LayerWeights
from kilograd.scheme import Scheme
from kilograd.version import VERSION

#: In the header of a file of weights, which tells it from other .npz files.
CONTENTS = "kilograd weights"
FORMAT = 2

#: Name of the array that describes the others.
HEADER = "header"
_MOST_HEADER = 1 << 24


@dataclass(frozen=True)
class Learned:
    """What a network's weights come from, where it was trained on a device.

    Attributes:
        model_id: of the program.
        scheme: what was trained.
        steps: training steps done, modulo 2^32.
        active_classes: how many classes, the first ones, are predicted and learned.
    """

    model_id: int
    scheme: Scheme
    steps: int
    active_classes: int


@dataclass(frozen=True)
class NetworkWeights:
    """The weights of a network, as it computes with them.

    Attributes:
        model: its forward graph.
        layers: the weights of each layer that has some, in forward order.
        class_names: one for each logit.
        learned: where they come from; None for a model as it came.
    """

    model: Graph
    layers: Mapping[str, LayerWeights]
    class_names: tuple[str, ...]
    learned: Learned | None = None

    @classmethod
    def of_model(cls, model: Graph, class_names: Sequence[str] = ()) -> NetworkWeights:
        """Those of a model as it came.

        Args:
            model: a forward graph.
            class_names: one for each logit; none for "class 0", "class 1", …

        Raises:
            UserError: the class names will not do.
        """
        names = named_classes(class_names, model.type_of(model.outputs[0]).size, model.label_kind)
        return cls(model, _weights_in(model), names)

    @classmethod
    def of_program(
        cls, program: Program, state: bytes | None = None, class_names: Sequence[str] = ()
    ) -> NetworkWeights:
        """Those that a device computes with when it is in a state.

        Args:
            program: the compiled model.
            state: as `Device.read_state` gives it; None for that which the program begins with.
            class_names: one for each logit; none for "class 0", "class 1", …

        Raises:
            UserError: the state is of another program, or the class names will not do.
        """
        names = named_classes(class_names, program.class_count, program.graph.label_kind)
        if state is None:
            layers, begin = _weights_in(program.graph), StateHeader(0, 0, program.class_count)
        else:
            layers, begin = _weights_in(program.holding(state)), StateHeader.unpack(state)
        learned = Learned(program.model_id, program.scheme, begin.steps, begin.classes)
        return cls(program.request.graph, layers, names, learned)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The contents of the file, by name: the header, and five arrays a layer."""
        text = json.dumps(self._header(), ensure_ascii=False)
        arrays: dict[str, NDArray[np.generic]] = {HEADER: np.frombuffer(text.encode(), np.uint8)}
        for name, layer in self.layers.items():
            arrays[f"{name}.weight"] = layer.weight.astype(np.float32)
            arrays[f"{name}.bias"] = layer.bias.astype(np.float32)
            arrays[f"{name}.weight_int8"] = layer.weight_int8
            arrays[f"{name}.weight_scale"] = layer.weight_scale
            arrays[f"{name}.bias_int32"] = layer.bias_int32
        return arrays

    def encode(self) -> bytes:
        """As they stand in a file: the same bytes for the same weights, on every computer."""
        contents: dict[str, bytes] = {}
        for name, array in self.arrays().items():
            written = io.BytesIO()
            ordered: NDArray[np.generic] = np.ascontiguousarray(array)
            npy.write_array(written, ordered, version=(1, 0), allow_pickle=False)
            contents[f"{name}.npy"] = written.getvalue()
        return zipped(contents)

    def _header(self) -> dict[str, Any]:
        model, learned = self.model, self.learned
        has_range = model.label_kind.has_errors
        entry = model.inputs[0]
        return {
            "contents": CONTENTS,
            "format": FORMAT,
            "kilograd": VERSION,
            "numerics": NUMERICS_VERSION,
            "model": model.name,
            "class_names": list(self.class_names),
            "label_kind": model.label_kind.value,
            "value_range": list(model.value_range) if has_range else None,
            "pixel_range": None if model.features else list(model.pixel_range),
            "features": model.features.as_dict() if model.features else None,
            "learned": None if learned is None else asdict(learned),
            "input": {"name": entry.name, **_described(model, entry.name)},
            "output": model.outputs[0],
            "layers": [
                {
                    "name": node.layer,
                    "operator": node.operator,
                    "inputs": [n for n in node.inputs if model.values[n].kind is not Kind.CONSTANT],
                    "output": _described(model, node.outputs[0]),
                    **_geometry(node.attributes),
                }
                for node in model.nodes
            ],
        }


def export_weights(
    program: Program,
    path: str | Path,
    *,
    state: bytes | None = None,
    class_names: Sequence[str] = (),
) -> None:
    """Write the weights that a program computes with to an .npz file, whole or not at all.

    Args:
        program: the compiled model.
        path: of the file; one that is there is replaced.
        state: as `Device.read_state` gives it; None for that which the program begins with.
        class_names: one for each logit; none for "class 0", "class 1", …

    Raises:
        UserError: the state is of another program, the class names will not do, or the file cannot
            be written.
    """
    weights = NetworkWeights.of_program(program, state, class_names)
    write_atomically(Path(path), weights.encode())


def is_weights_file(path: Path) -> bool:
    """Whether a file holds weights that kilograd exported."""
    try:
        header = read_npz(path, _MOST_HEADER, (HEADER,))[HEADER]
        return bool(json.loads(header.tobytes())["contents"] == CONTENTS)
    except (NpzError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _weights_in(graph: Graph) -> dict[str, LayerWeights]:
    """By layer, in forward order. Copies that a training step runs once more are left out."""
    return {
        node.layer: spec.weights(node, graph)
        for node in graph.nodes
        if node.phase is Phase.INFERENCE and (spec := REGISTRY[node.operator]).has_weights
    }


def _described(graph: Graph, name: str) -> dict[str, Any]:
    type_ = graph.type_of(name)
    return {
        "shape": list(type_.shape),
        "dtype": type_.dtype.value,
        "scale": type_.scale,
        "zero_point": type_.zero_point,
    }


def _geometry(attributes: Any) -> dict[str, Any]:
    """An operator's attributes but its result's quantization, and what only training sets."""
    return {name: value for name, value in asdict(attributes).items() if name != "output" and value}
