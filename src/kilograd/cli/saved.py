"""State files and the models that they belong to."""

from __future__ import annotations

from dataclasses import replace

from kilograd.cli.source import ModelSource
from kilograd.compiler import Program, compile_model
from kilograd.data import Dataset, as_anomalies, with_class_order, with_value_range
from kilograd.errors import DataError, UserError
from kilograd.ir import LabelKind
from kilograd.passes import DEFAULT_SHARE
from kilograd.scheme import layers
from kilograd.targets import Target
from kilograd.training.state_file import SavedState


def compile_saved(
    source: ModelSource,
    saved: SavedState,
    where: str,
    target: Target,
    *,
    row_input: bool = False,
    recompute: float = DEFAULT_SHARE,
) -> Program:
    """The program that a state belongs to.

    Args:
        source: of the model; what the state says of the input counts where the user says nothing.
        saved: the state.
        where: its file, for messages.
        target: to compile for.
        row_input: whether images arrive in rows.
        recompute: of a step's multiply-accumulates, those that may be done twice.

    Raises:
        UserError: the state belongs to another model or scheme.
    """
    origin = saved.origin
    height, width = origin.resolution
    source = replace(source, label_kind=origin.label_kind, value_range=origin.value_range)
    if source.input_range is None:
        source = replace(source, input_range=",".join(map(repr, origin.pixel_range)))
    classes = None if origin.has_own_head else len(origin.class_names)
    graph = source.load(classes)
    if source.resolution is None and graph.inputs[0].type.shape[:2] != (height, width):
        graph = replace(source, resolution=f"{height}x{width}").load(classes)
    if graph.name != origin.model:
        raise UserError(
            f"this state is of {origin.model}, not of {graph.name}",
            where=where,
            hint=f"name {origin.model} or its file",
        )
    known = {*layers(graph)}
    program = None
    if known.issuperset(origin.scheme.biases) and known.issuperset(origin.scheme.weights):
        program = compile_model(
            graph, origin.scheme, target, row_input=row_input, recompute=recompute
        )
    if program is None or program.model_id != origin.model_id:
        raise UserError(
            f"this state is of another {origin.model} than this one: their weights, classes or "
            "inputs differ",
            where=where,
            hint="name the file that the state was trained from",
        )
    return program


def order_classes(dataset: Dataset, saved: SavedState, where: str) -> Dataset:
    """The samples with their classes numbered, or their values in units, as in a state.

    Raises:
        DataError: the samples have other classes.
    """
    names = saved.origin.class_names
    if saved.origin.label_kind is LabelKind.ANOMALY:
        return _as_anomalies(dataset, saved)
    if dataset.label_kind is not saved.origin.label_kind:
        raise DataError(
            f"these samples have {dataset.label_kind.noun}, and the state in {where} knows "
            f"{saved.origin.label_kind.noun}",
            where=dataset.name,
        )
    if dataset.label_kind is LabelKind.VALUE:
        return with_value_range(dataset, saved.origin.value_range)
    if dataset.class_names == names:
        return dataset
    if dataset.label_kind is LabelKind.SET or sorted(dataset.class_names) != sorted(names):
        raise DataError(
            f"these samples are of the classes {_listed(dataset.class_names)}, and the state in "
            f"{where} knows {_listed(names)}",
            where=dataset.name,
            hint="give samples of the classes that were learned",
        )
    return with_class_order(dataset, names)


def _as_anomalies(dataset: Dataset, saved: SavedState) -> Dataset:
    """Anomalies may be of any kind, also of one that nobody has met before."""
    if dataset.label_kind is LabelKind.ANOMALY:
        return dataset
    return as_anomalies(dataset, saved.origin.value_range, saved.origin.class_names[0])


def _listed(names: tuple[str, ...], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
