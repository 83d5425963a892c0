"""Finds a model by path or name and reads it with the frontend that its kind needs."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from kilograd.data import InputSpec
from kilograd.errors import ModelError
from kilograd.frontend.checkpoint import read_checkpoint
from kilograd.frontend.fetch import resolve_model
from kilograd.frontend.mcunet import build_graph
from kilograd.frontend.native import load_native
from kilograd.ir import Graph

#: The backbone that comes with kilograd.
EMBEDDED = "kilograd-48"

_MAX_CLASSES = 65536


def load_model(text: str, classes: int | None = None) -> Graph:
    """The forward graph of a model.

    Args:
        text: a path (.pkl checkpoint or kilograd's .npz), the name of a published checkpoint,
            or ``kilograd-48``.
        classes: of a freshly initialised head; None keeps the head that the model came with.

    Raises:
        ModelError: when there is no such model, or it cannot be used.
    """
    if classes is not None and not 2 <= classes <= _MAX_CLASSES:  # noqa: PLR2004 - to tell apart
        raise ModelError(
            f"a network needs 2 to {_MAX_CLASSES} classes, not {classes}", where="--classes"
        )
    if text == EMBEDDED:
        with as_file(files("kilograd") / "backbones" / f"{EMBEDDED}.npz") as path:
            return load_native(path, classes)
    try:
        path = resolve_model(text)
    except OSError as error:  # such as a name that is too long
        raise ModelError(f"there is no such model: {error.strerror}") from error
    if path.suffix == ".npz":
        return load_native(path, classes)
    return build_graph(read_checkpoint(Path(path)), classes)


def input_spec(graph: Graph) -> InputSpec:
    """What samples of a model look like."""
    type_ = graph.inputs[0].type
    height, width, channels = type_.shape
    return InputSpec(height, width, channels, type_.scale, type_.zero_point)
