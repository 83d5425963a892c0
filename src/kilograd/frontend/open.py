"""Finds a model by path or name and reads it with the frontend that its kind needs."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from kilograd.data import InputSpec
from kilograd.errors import ModelError
from kilograd.features import features_of
from kilograd.frontend.fetch import resolve_model
from kilograd.frontend.formats import read_classes, read_graph
from kilograd.frontend.made import AUTOENCODER, is_made, make_network
from kilograd.frontend.native import load_native, native_classes
from kilograd.frontend.resolution import at_resolution
from kilograd.ir import MOST_LABELS, VALUE_RANGE, Graph, LabelKind, are_ranges, is_value_range

#: The backbone for images that comes with kilograd.
EMBEDDED = "kilograd-48"

#: All backbones that come with kilograd: images, spoken words, motion.
BACKBONES = (EMBEDDED, "kilograd-kws", "kilograd-motion")

_MAX_CLASSES = 65536


def load_model(
    text: str | Path,
    classes: int | None = None,
    *,
    pixel_range: tuple[float, ...] | None = None,
    resolution: tuple[int, int] | None = None,
    label_kind: LabelKind | None = None,
    value_range: tuple[float, float] | None = None,
) -> Graph:
    """The forward graph of a model.

    Args:
        text: a path (.tflite, or C source with one as an array, .onnx, kilograd's .npz, or a .pkl
            checkpoint), the name of a published checkpoint, or of a backbone that comes with
            kilograd (``BACKBONES``), or ``autoencoder-64-32-8`` and the like.
        classes: of a freshly initialised head; None keeps the head that the model came with.
        pixel_range: real values that the darkest and the brightest pixel stand for, two for all
            channels or two for each; None is what the model says, or all of its int8 where its
            file says nothing.
        resolution: height and width of the samples; None is what the model was made for.
        label_kind: what a sample's label is: its class, a set of classes, or a value, for which a
            new last layer has one output. None is a class, or what the model's own head says.
        value_range: the lowest and the highest value that is expected, of a new last layer; None
            for -1 and 1.

    Raises:
        ModelError: when there is no such model, or it cannot be used.
    """
    check_classes(classes, label_kind)
    graph = _load(str(text), classes)
    if resolution is not None:
        graph = at_resolution(graph, *resolution)
    graph = _with_labels(graph, label_kind, value_range)
    if pixel_range is None:
        return graph
    if not are_ranges(pixel_range):
        raise ModelError("the range of pixels must rise, from one finite number to another")
    channels = graph.inputs[0].type.shape[2]
    if len(pixel_range) not in {2, 2 * channels}:
        raise ModelError(
            f"{len(pixel_range) // 2} ranges of pixels are given, and the network's input has "
            f"{channels} channels",
            where=graph.name,
            hint="give one range, or one for each channel",
        )
    return replace(graph, pixel_range=pixel_range)


def _with_labels(
    graph: Graph, kind: LabelKind | None, value_range: tuple[float, float] | None
) -> Graph:
    if kind is None or (kind is graph.label_kind and value_range is None):
        return graph
    count = graph.type_of(graph.outputs[0]).size
    if LabelKind.ANOMALY in {kind, graph.label_kind}:
        what = "what is normal is learned by networks that make their samples again"
        hint = f"take such a network, or {AUTOENCODER}-64-32-8 for samples of 64 numbers"
        if graph.label_kind is LabelKind.ANOMALY:
            what = "this network makes its samples again"
            hint = "give a number of classes, for which a new last layer is made"
        raise ModelError(what, where=graph.name, hint=hint)
    if (kind is LabelKind.VALUE) != (count == 1):
        last = "estimates a value" if count == 1 else f"tells {count} classes apart"
        raise ModelError(
            f"the last layer of this network {last}",
            where=graph.name,
            hint="give a number of classes, or 1 for a value, for which a new last layer is made",
        )
    if kind is LabelKind.SET and count > MOST_LABELS:
        raise ModelError(
            f"a set has at most {MOST_LABELS} labels, and this network has {count} classes",
            where=graph.name,
            hint="give a smaller number of classes, for which a new last layer is made",
        )
    if graph.label_kind is LabelKind.VALUE:
        low, high = graph.value_range
        raise ModelError(
            f"the last layer of this network estimates values from {low:g} to {high:g}",
            where=graph.name,
            hint="give 1 for the number of classes, for which a new last layer is made",
        )
    low, high = value_range or VALUE_RANGE
    if not is_value_range(low, high):
        raise ModelError("the range of values must rise, from one number of float32 to another")
    return replace(graph, label_kind=kind, value_range=(low, high))


def check_classes(classes: int | None, label_kind: LabelKind | None = None) -> None:
    """Refuse a number of classes that no head can have.

    Raises:
        ModelError: it is below 2 or too large; or other than 1 where labels are values.
    """
    if label_kind is LabelKind.VALUE:
        if classes not in (None, 1):
            raise ModelError(f"a network that estimates a value has one logit, not {classes}")
        return
    if classes is not None and not 2 <= classes <= _MAX_CLASSES:  # noqa: PLR2004 - to tell apart
        raise ModelError(f"a network needs 2 to {_MAX_CLASSES} classes, not {classes}")


def _load(text: str, classes: int | None) -> Graph:
    if is_made(text):
        return make_network(text, classes)
    if text in BACKBONES:
        with as_file(files("kilograd") / "backbones" / f"{text}.npz") as path:
            return load_native(path, classes)
    path = _resolved(text)
    return read_graph(path, classes)


def class_names(text: str) -> tuple[str, ...]:
    """What a model calls the classes of the head it came with; empty where it does not say.

    ``kilograd train`` goes on from that head where a dataset has the same classes.

    Args:
        text: as for ``load_model``.

    Raises:
        ModelError: when there is no such model, or it cannot be used.
    """
    if is_made(text):
        return ()
    if text in BACKBONES:
        with as_file(files("kilograd") / "backbones" / f"{text}.npz") as path:
            return native_classes(path)
    return read_classes(_resolved(text))


def input_spec(graph: Graph) -> InputSpec:
    """What samples of a model look like."""
    type_ = graph.inputs[0].type
    height, width, channels = type_.shape
    features = features_of(graph)
    return InputSpec(
        height, width, channels, type_.scale, type_.zero_point, features, graph.pixel_range
    )


def _resolved(text: str) -> Path:
    try:
        return resolve_model(text, BACKBONES, (f"{AUTOENCODER}-64-32-8",))
    except OSError as error:  # such as a name that is too long
        raise ModelError(f"there is no such model: {error.strerror}") from error
