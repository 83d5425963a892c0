"""One whole run: a program opened on a device, trained, and measured where that is emulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from kilograd.compiler import Program
from kilograd.data import Augment, Dataset, pack_digest
from kilograd.device.open import compiler_of, is_emulated, open_device, target_of
from kilograd.device.protocol import Counters
from kilograd.measuring.budget import check_planned
from kilograd.measuring.firmware import Measurement, measure
from kilograd.training.divergence import Listener
from kilograd.training.loop import TrainingOptions, TrainingResult, train
from kilograd.training.online import train_online
from kilograd.training.records import RecordListener
from kilograd.training.runner import Progress
from kilograd.training.stream import Stream
from kilograd.training.unfinished import Unfinished, never
from kilograd.version import VERSION


@dataclass(frozen=True)
class TrainingRun:
    """What a run was, and what came of it.

    Attributes:
        program: what was trained.
        dataset: what on.
        device: name of the device.
        options: how; the rate is that of the run's beginning.
        result: what was learned.
        counters: what the device counted.
        measurement: of an emulated device's firmware, or where it was asked for.
    """

    program: Program
    dataset: Dataset
    device: str
    options: TrainingOptions
    result: TrainingResult
    counters: Counters
    measurement: Measurement | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        result, dataset = self.result, self.dataset
        return {
            "version": VERSION,
            "compiler": compiler_of(self.program, self.device),
            "model": self.program.graph.name,
            "model_id": f"{self.program.model_id:08x}",
            "scheme": self.program.scheme.name,
            "data": dataset.name,
            "data_digest": pack_digest(dataset),
            "device": self.device,
            "classes": list(dataset.class_names),
            "train_samples": len(dataset.train),
            "test_samples": len(dataset.test),
            **self._judged(),
            "steps": result.steps,
            "steps_per_second": result.steps / result.seconds if result.seconds else 0.0,
            "epochs": self.options.epochs,
            "learning_rate": self.options.rate,
            "schedule": self.options.schedule,
            "seed": self.options.seed,
            "divergences": [asdict(divergence) for divergence in result.divergences],
            "counters": asdict(self.counters.training),
            "state_digest": result.state_digest,
            **self._measured(),
        }

    def _judged(self) -> dict[str, Any]:
        dataset = self.dataset
        has_range = dataset.label_kind.has_errors
        found: dict[str, Any] = {"value_range": list(dataset.value_range)} if has_range else {}
        for when, one in (("before", self.result.before), ("after", self.result.after)):
            figures = one.figures(dataset.value_range)
            found |= {f"{name}_{when}": figure for name, figure in figures.items()}
        return found

    def _measured(self) -> dict[str, int]:
        measured = self.measurement
        if measured is None:
            return {}
        # Data steers a few branches, so the run itself may have used a little more stack.
        stack = max(measured.stack, self.counters.stack_bytes or 0)
        return {
            "sram_total_bytes": measured.sram_total_bytes - measured.stack + stack,
            "flash_bytes": measured.flash_bytes,
            "instructions_inference": measured.instructions_inference,
            "instructions_train_step": measured.instructions_train_step,
        }


def run_training(
    program: Program,
    dataset: Dataset,
    device: str,
    options: TrainingOptions,
    *,
    stream: Stream | None = None,
    sram_budget: int | None = None,
    is_measured: bool = False,
    progress: Progress | None = None,
    on_divergence: Listener | None = None,
    augment: Augment | None = None,
    unfinished: Unfinished | None = None,
    should_stop: Callable[[], bool] = never,
    on_record: RecordListener | None = None,
) -> TrainingRun:
    """Train a compiled program on a dataset, or on a stream of it.

    Args:
        program: what to train.
        dataset: what on.
        device: name of a device; one that is emulated is measured before it is trained.
        options: epochs, rate, schedule, seed.
        stream: a single pass instead of epochs.
        sram_budget: bytes that a measured firmware may take; None for all that its target has.
        is_measured: whether to measure the program's own target on other devices, too.
        progress: told about every sample.
        on_divergence: told about every divergence.
        augment: what becomes of a sample before a step learns from it; not in a stream.
        unfinished: a run to go on with, of the same program, dataset and options; no stream.
        should_stop: asked before every sample.
        on_record: told what is known after each step and each evaluation.

    Raises:
        Interrupted: the run was asked to stop.
        BudgetError: a measured firmware does not fit.
    """
    measurement = _measurement(program, device, sram_budget, is_measured=is_measured)
    with open_device(program, device) as opened:
        if stream is None:
            result = train(
                opened,
                dataset,
                options,
                progress,
                on_divergence,
                augment=augment,
                unfinished=unfinished,
                should_stop=should_stop,
                on_record=on_record,
            )
        else:
            result = train_online(
                opened,
                stream,
                progress,
                on_divergence,
                should_stop=should_stop,
                on_record=on_record,
            )
        counters = opened.counters()
    if unfinished is not None:
        counters = replace(counters, training=counters.training.plus(unfinished.counters))
    return TrainingRun(program, dataset, device, options, result, counters, measurement)


def _measurement(
    program: Program, device: str, budget: int | None, *, is_measured: bool
) -> Measurement | None:
    if is_emulated(device):
        return measure(program.for_target(target_of(program, device)), sram_budget=budget)
    if not is_measured or not program.target.memory:
        return None
    check_planned(program, sram_budget=budget)
    return measure(program)
