"""The last layer that a model came with, where it suits what is to be learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kilograd.cli.source import ModelSource
from kilograd.data import Dataset, with_class_order, with_value_range
from kilograd.errors import ModelError
from kilograd.frontend.open import class_names
from kilograd.ir import Graph, LabelKind

#: Names of classes that a note gives.
_MOST_NAMES = 4


def without_own_head(source: ModelSource, dataset: Dataset) -> list[str]:
    """A note where another tool's network gets a new head though it has as many classes."""
    known, given = class_names(source.model), dataset.class_names
    if dataset.label_kind is LabelKind.VALUE:
        return []
    if dataset.label_kind is LabelKind.CLASS and source.autoencoder() is not None:
        said = "the model makes its samples again, and could learn what is normal"
        return [f'{said}, if a class were called "normal": a new last layer is made']
    if _estimates_a_value(source):
        said = "the model's own last layer estimates a value, and the data has classes"
        return [f"{said}: a new last layer is made (with a sigmoid behind it, it tells two apart)"]
    graph = source.load(2)
    if not graph.is_foreign or len(known) != len(given) or sorted(known) == sorted(given):
        return []
    said = f"{graph.name} calls its classes {_some(known)}, and the data has {_some(given)}"
    return [f"{said}: a new last layer is made"]


def _estimates_a_value(source: ModelSource) -> bool:
    """Whether that is what the model's own head does."""
    own = source.as_it_came()
    return own is not None and own.label_kind is LabelKind.VALUE


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")


@dataclass(frozen=True)
class OwnHead:
    """A model with the head that it came with.

    Attributes:
        graph: of the model.
        class_names: in the order of its logits; empty where the model does not say.
        text: why training goes on from that head.
    """

    graph: Graph
    class_names: tuple[str, ...]
    text: str


def in_its_order(dataset: Dataset, own: OwnHead) -> Dataset:
    """The samples with labels as a model's own head has them."""
    if dataset.label_kind is LabelKind.VALUE:
        return with_value_range(dataset, own.graph.value_range)
    if own.class_names and dataset.label_kind is LabelKind.CLASS:
        return with_class_order(dataset, own.class_names)
    return dataset


def own_head(source: ModelSource, dataset: Dataset) -> OwnHead | None:
    """The model's own head if it suits the data: it has the same classes, or as many.

    What a model calls its classes decides. Where another tool's file does not say, it has them in
    the order of the data's names, as far as anybody can know.
    """
    known = class_names(source.model)
    has_names = not dataset.label_kind.has_errors
    if has_names and known and sorted(known) != sorted(dataset.class_names):
        return None
    try:
        graph = source.load()
    except ModelError:  # a head that cannot be carried
        return None
    if dataset.label_kind is LabelKind.ANOMALY:
        text = (
            f"{graph.name} makes its samples again: it learns what is {dataset.class_names[0]} "
            "(--fresh-head makes a last layer that tells classes apart)"
        )
        return OwnHead(graph, (), text)
    count = graph.type_of(graph.outputs[0]).size
    if count != len(dataset.class_names) or not (known or graph.is_foreign):
        return None
    if dataset.label_kind is LabelKind.VALUE:
        low, high = graph.value_range
        text = (
            f"{graph.name} estimates values from {low:g} to {high:g}: training goes on from its "
            "own last layer (--fresh-head makes a new one)"
        )
    elif known:
        text = f"{graph.name} knows these classes: training goes on from its own head"
    else:
        order = _some(dataset.class_names)
        text = (
            f"{graph.name} has a head for {count} classes: training goes on from it, and its "
            f"classes are taken to be {order} (--fresh-head makes a new one)"
        )
    return OwnHead(graph, known, text)
