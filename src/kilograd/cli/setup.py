"""What `kilograd train` starts from: a new run, or one that was interrupted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kilograd.cli.blame import blame
from kilograd.cli.data_report import skip_hint
from kilograd.cli.memory import MemoryRequest
from kilograd.cli.online import ask_for_stream, read_online_options
from kilograd.cli.own_head import in_its_order, own_head, without_own_head
from kilograd.cli.request import Judging, TrainRequest
from kilograd.cli.saved import compile_saved, order_classes
from kilograd.compiler import Program, compile_model
from kilograd.data import (
    Augment,
    Augmentation,
    Dataset,
    InputSpec,
    as_anomalies,
    hold_back,
    load_dataset,
    normal_class,
    pack_digest,
)
from kilograd.errors import DataError, UserError
from kilograd.frontend.open import input_spec
from kilograd.ir import Graph, LabelKind
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.epochs import default_epochs
from kilograd.training.loop import DEFAULT_RATE, TrainingOptions
from kilograd.training.rate import default_rate
from kilograd.training.state_file import History, read_state_file
from kilograd.training.stream import Stream
from kilograd.training.unfinished import Unfinished


@dataclass(frozen=True)
class Setup:
    """Everything that a run needs.

    Attributes:
        program: what is trained.
        dataset: what on.
        options: how.
        has_own_head: whether it starts from the head that the model came with.
        limits: most training and most test samples.
        stream: the samples as they come; None for epochs.
        unfinished: what to go on from.
        note: for the user.
        validation: share of the training samples that are held back and judged by; None where the
            test samples are judged by, or folds.
        augmentation: of training samples; None for none.
    """

    program: Program
    dataset: Dataset
    options: TrainingOptions
    has_own_head: bool = False
    limits: tuple[int | None, int | None] = (None, None)
    stream: Stream | None = None
    unfinished: Unfinished | None = None
    note: str = ""
    validation: float | None = None
    augmentation: Augmentation | None = None

    @property
    def augment(self) -> Augment | None:
        """What becomes of a sample before a step learns from it."""
        if self.augmentation is None:
            return None
        with blame("--augment"):
            spec = input_spec(self.program.request.graph)
            return self.augmentation.of(spec, self.options.seed)

    def judging_and_augmentation(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "validation": self.validation,
            "augmentation": None if self.augmentation is None else str(self.augmentation),
        }


def new_setup(request: TrainRequest) -> Setup:
    """A run from the beginning."""
    with blame("--target"):
        target = get_target(request.target)
    options = request.options(DEFAULT_RATE)
    stream_options = read_online_options(request.stream, options.seed)
    memory_request = MemoryRequest.parse(request.stream.memory)
    autoencoder = None if request.has_fresh_head else request.source.autoencoder()
    # The head may be one that is replaced.
    spec = input_spec(request.source.load(2) if autoencoder is None else autoencoder)
    limits = request.limit, request.test_limit
    judging, augmentation = request.judging, _augmentation(request.augment)
    if augmentation is not None:
        with blame("--augment"):
            augmentation.of(spec, options.seed)  # refuses what cannot be before anything is read
    dataset = _load(request, spec, limits, options.seed, judging, autoencoder)
    source = replace(request.source, label_kind=dataset.label_kind, value_range=dataset.value_range)
    request = replace(request, source=source)
    comes_late = stream_options is not None and stream_options.new_class is not None
    own = None if comes_late or request.has_fresh_head else own_head(source, dataset)
    if own is not None:
        dataset = in_its_order(dataset, own)
    notes = [] if own is None else [own.text]
    if own is None and not comes_late and not request.has_fresh_head:
        notes += without_own_head(source, dataset)
    if request.epochs is None and request.limit is None and stream_options is None:
        options = replace(options, epochs=default_epochs(dataset))
        if options.epochs > 1:
            have = "the classes have" if dataset.label_kind is LabelKind.CLASS else "there are"
            notes.append(
                f"{have} few samples: training goes over them {options.epochs} times "
                "(--epochs says how often)"
            )
    stream = None if stream_options is None else ask_for_stream(dataset, spec, stream_options)
    if stream is not None:
        dataset = stream.dataset
    graph = request.source.load(len(dataset.class_names)) if own is None else own.graph
    scheme = source.default_scheme if request.scheme is None else request.scheme
    program = compile_model(graph, load_scheme(scheme, graph), target)
    if request.lr is None:
        options = replace(options, rate=default_rate(program))
    if stream is not None:
        memory = None if memory_request is None else memory_request.options(program)
        if memory is not None:
            memory = replace(memory, consolidation=request.stream.consolidate)
            program = program.remembering(memory.samples)
        chosen = replace(stream.options, rate=options.rate, memory=memory)
        stream = replace(stream, options=chosen)
        options = replace(options, schedule="constant")
    return Setup(
        program,
        dataset,
        options,
        own is not None,
        limits,
        stream,
        note="\n".join(notes),
        validation=judging.validation,
        augmentation=augmentation,
    )


def resumed_setup(request: TrainRequest, path: Path) -> Setup:
    """A run that was interrupted, from the file that it left.

    Raises:
        UserError: there is nothing to go on with, or not with these samples or options.
    """
    saved = read_state_file(path)
    history = saved.history
    if saved.unfinished is None:
        why = "it was a stream" if history.is_stream else f"it has all of its {history.total} steps"
        raise UserError(
            f"this run cannot be gone on with: {why}",
            where=str(path),
            hint="predict, evaluate and compile use what it learned",
        )
    _refuse_other_options(request, saved.origin.scheme.name, history)
    with blame("--target"):
        target = get_target(request.target)
    program = compile_saved(request.source, saved, str(path), target)
    spec = input_spec(program.request.graph)
    judging = Judging(history.validation)
    own = program.request.graph if saved.origin.label_kind is LabelKind.ANOMALY else None
    dataset = _load(request, spec, history.limits, history.options.seed, judging, own)
    dataset = order_classes(dataset, saved, str(path))
    if pack_digest(dataset) != history.data_digest:
        raise DataError(
            f"these are not the samples that the run in {path} learns from ({history.data})",
            where=str(request.data),
            hint="name the same folder or pack, unchanged",
        )
    return Setup(
        program,
        dataset,
        history.options,
        saved.origin.has_own_head,
        history.limits,
        unfinished=saved.unfinished,
        note=f"the run in {path} goes on after {history.steps} of {history.total} steps",
        validation=history.validation,
        augmentation=_augmentation(history.augmentation or None),
    )


def _augmentation(text: str | None) -> Augmentation | None:
    with blame("--augment"):
        return None if text is None else Augmentation.parse(text)


def _load(
    request: TrainRequest,
    spec: InputSpec,
    limits: tuple[int | None, int | None],
    seed: int,
    judging: Judging,
    autoencoder: Graph | None,
) -> Dataset:
    """The samples; test samples that nothing is judged by are not read.

    For a network that makes its samples again, they are normal ones and anomalies where data says
    which are which.
    """
    with skip_hint():
        dataset = load_dataset(
            request.data,
            spec,
            limit=limits[0],
            test_limit=limits[1] if judging.uses_test_samples else 0,
            seed=seed,
            skip_broken=request.skips_broken,
            fewest_classes=2 if autoencoder is None else 1,
        )
    if judging.validation is not None:
        with blame("--validation"):
            dataset = hold_back(dataset, judging.validation, seed)
        note = "what counts as test samples here was held back of the training samples"
        dataset = replace(dataset, notes=(*dataset.notes, note))
    if autoencoder is None or normal_class(dataset) is None:
        return dataset
    return as_anomalies(dataset, autoencoder.value_range)


def _refuse_other_options(request: TrainRequest, scheme: str, history: History) -> None:
    """A run goes on as it began."""
    options = history.options
    augmentation = _augmentation(request.augment)
    if request.stream.is_asked_for:
        raise UserError("only runs of epochs can be gone on with", where="--stream")
    for option, asked, began in (
        ("--scheme", request.scheme, scheme),
        ("--epochs", request.epochs, options.epochs),
        ("--lr", request.lr, options.rate),
        ("--schedule", request.schedule, options.schedule),
        ("--seed", request.seed, options.seed),
        ("--limit", request.limit, history.limits[0]),
        ("--validation", request.judging.validation, history.validation),
        ("--augment", augmentation and str(augmentation), history.augmentation or None),
    ):
        if asked is not None and asked != began:
            first = "none" if began is None else began
            raise UserError(
                f"the run began with {first}, and goes on so, not with {asked}",
                where=option,
                hint=f"leave {option} out",
            )
