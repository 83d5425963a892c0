"""Personalises kilograd's audio and motion backbones to people they have never met.

    python -m experiments.personalization.run [words] [digits] [speakers] [motion] [turned] [memory]

One cell is one person, scheme, number of samples a class and seed: the backbone learns on the host
(the firmware's bits) from that person's samples and is tested on others of theirs. Cells go to
experiments/personalization/results.json one by one, and those that are there already are not
repeated. All of them take about 15 minutes of one core.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.ledgers import chosen_parts, read_ledger, write_ledger
from experiments.common.programs import BOARD, compiled
from experiments.personalization import LEDGER
from experiments.personalization.people import (
    QUARTER_TURNS,
    Person,
    arabic_speakers,
    dataset,
    digit_speakers,
    halves_in_time,
    moving_people,
    recordings_apart,
)
from kilograd.compiler import Program
from kilograd.data import Dataset, InputSpec, Samples
from kilograd.device.host import HostDevice
from kilograd.frontend.open import input_spec, load_model
from kilograd.measuring.firmware import measure
from kilograd.memory.state_layout import StateHeader
from kilograd.toolchain import build_host_library
from kilograd.training.loop import TrainingOptions, TrainingResult, train
from kilograd.training.rate import default_rate

SEEDS = (0, 1, 2)
TEST_SPLIT = 2
EPOCHS = 20
#: Where a task has learned from others before: their recordings a class, and passes over them.
OTHERS_SHOTS, OTHERS_EPOCHS = 20, 3

People = tuple[dict[str, Person], tuple[str, ...]]


@dataclass(frozen=True)
class Task:
    """Somebody new to a backbone.

    Attributes:
        model: the backbone.
        keep_head: whether the pretrained head is kept; otherwise its classes are new.
        load: the people and the names of the classes.
        split: which of a person's samples are for training and testing, given shots and seed.
        shots: samples a class that are learned from.
        schemes: what is trained.
        people: names, where not everyone is meant.
        after_others: whether the same classes were learned from everyone else on the device first.
    """

    model: str
    keep_head: bool
    load: Callable[[InputSpec], People]
    split: Callable[[Person, int, int], tuple[list[int], list[int]]]
    shots: tuple[int, ...]
    schemes: tuple[str, ...]
    people: tuple[str, ...] | None = None
    after_others: bool = False


SPEECH_SCHEMES = ("head", "bias:6", "last:3", "kilograd-kws/voice")
MOTION_SCHEMES = ("head", "bias:17", "last:6", "kilograd-motion/person")
NEW_PEOPLE = ("18", "20", "24")

TASKS: Mapping[str, Task] = {
    "words": Task(
        "kilograd-kws",
        keep_head=True,
        load=lambda spec: arabic_speakers(spec, TEST_SPLIT),
        split=recordings_apart,
        shots=(1, 5),
        schemes=SPEECH_SCHEMES,
    ),
    "digits": Task(
        "kilograd-kws",
        keep_head=False,
        load=digit_speakers,
        split=recordings_apart,
        shots=(5, 10, 20),
        schemes=SPEECH_SCHEMES,
    ),
    "speakers": Task(
        "kilograd-kws",
        keep_head=False,
        load=digit_speakers,
        split=recordings_apart,
        shots=(5, 10, 20),
        schemes=("head", "last:3", "kilograd-kws/voice"),
        after_others=True,
    ),
    "motion": Task(
        "kilograd-motion",
        keep_head=True,
        load=moving_people,
        split=halves_in_time,
        shots=(5, 10, 20),
        schemes=MOTION_SCHEMES,
        people=NEW_PEOPLE,
    ),
    "turned": Task(
        "kilograd-motion",
        keep_head=True,
        load=lambda spec: moving_people(spec, QUARTER_TURNS["z"] @ QUARTER_TURNS["x"]),
        split=halves_in_time,
        shots=(5, 10, 20),
        schemes=MOTION_SCHEMES,
        people=NEW_PEOPLE,
    ),
}


@functools.cache
def load_people(task: str) -> People:
    """Everyone in a task, decoded once."""
    return TASKS[task].load(input_spec(load_model(TASKS[task].model)))


class ContinuingDevice(HostDevice):
    """Starts from a state that was learned before, with the step counter at 0."""

    def __init__(self, library: Path, state: bytes = b"") -> None:
        super().__init__(library)
        self._start = state

    def initialize(self, seed: int) -> None:
        """As of every device, with what was learned before put back."""
        super().initialize(seed)
        if self._start:
            header = replace(StateHeader.unpack(self._start), seed=seed, steps=0)
            self.write_state(header.pack() + self._start[StateHeader.BYTES :])


@functools.cache
def program_for(task: str, scheme: str) -> Program:
    """The task's backbone under a scheme, with the head that it starts from."""
    chosen = TASKS[task]
    classes = None if chosen.keep_head else len(load_people(task)[1])
    return compiled(chosen.model, scheme, classes)


@functools.cache
def learn_from_others(task: str, person: str, scheme: str, seed: int) -> bytes:
    """The state of a device that has learned the classes from everyone but one person."""
    people, class_names = load_people(task)
    chosen = TASKS[task]
    others = [
        dataset(task, other, (chosen.split(other, OTHERS_SHOTS, seed)[0], [0]), class_names).train
        for name, other in people.items()
        if name != person
    ]
    samples = Samples(
        np.concatenate([part.inputs for part in others]),
        np.concatenate([part.labels for part in others]),
    )
    everyone = Dataset(f"{task} without {person}", samples, others[0], class_names)
    return _train(task, scheme, everyone, seed, OTHERS_EPOCHS).state


def _train(
    task: str, scheme: str, samples: Dataset, seed: int, epochs: int, start: bytes = b""
) -> TrainingResult:
    program = program_for(task, scheme)
    options = TrainingOptions(epochs=epochs, rate=default_rate(program), seed=seed)
    with ContinuingDevice(build_host_library(program.sources).path, start) as device:
        return train(device, samples, options)


def personalise(task: str, person: str, scheme: str, shots: int, seed: int) -> dict[str, Any]:
    """Accuracy before and after learning from one person, with counts.

    Args:
        task: of TASKS.
        person: as the pack calls them.
        scheme: what is trained, at its default rate.
        shots: samples a class.
        seed: of the split, of the order and of stochastic rounding.
    """
    chosen = TASKS[task]
    people, class_names = load_people(task)
    rows = chosen.split(people[person], shots, seed)
    samples = dataset(f"{task} {person}", people[person], rows, class_names)
    start = learn_from_others(task, person, scheme, seed) if chosen.after_others else b""
    result = _train(task, scheme, samples, seed, EPOCHS, start)
    return {
        "before": round(result.before.accuracy, 6),
        "after": round(result.after.accuracy, 6),
        "train_samples": len(samples.train),
        "test_samples": len(samples.test),
        "steps": result.steps,
        "divergences": len(result.divergences),
        "state_digest": result.state_digest[:16],
    }


def measure_memory(model: str, scheme: str) -> dict[str, Any]:
    """Whole SRAM, flash and instructions on the emulated Cortex-M7, with the features."""
    return measure(compiled(model, scheme, target=BOARD)).as_dict()


def cells(task: str, people: Iterable[str]) -> list[tuple[str, str, int, int]]:
    """Person, scheme, shots and seed of every cell of a task with these people."""
    chosen = TASKS[task]
    return [
        (person, scheme, shots, seed)
        for scheme in chosen.schemes
        for shots in chosen.shots
        for person in people
        for seed in SEEDS
    ]


def summarize(ledger: Mapping[str, Any]) -> dict[str, Any]:
    """For each task, scheme and number of shots, means over people, and their spread.

    A person's accuracy is the mean over the seeds; the spread is the standard deviation over
    people, and the lowest is the worst person.
    """
    groups: dict[str, dict[str, list[Any]]] = {}
    for name, cell in ledger.items():
        task, person, scheme, shots, _ = name.split(" ")
        groups.setdefault(f"{task} {scheme} {shots}", {}).setdefault(person, []).append(cell)
    return {name: _row(people) for name, people in sorted(groups.items())}


def _row(people: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"people": len(people)}
    for part in ("before", "after"):
        means = [float(np.mean([cell[part] for cell in found])) for found in people.values()]
        row |= {
            part: float(np.mean(means)),
            f"{part}_deviation": float(np.std(means)),
            f"{part}_lowest": min(means),
        }
    return row


def write(ledger: dict[str, Any]) -> None:
    """Rewrite the ledger, whole or not at all."""
    ledger["summary"] = summarize(ledger["cells"])
    write_ledger(LEDGER, ledger)


def main(chosen: list[str]) -> None:
    """Fill in what is missing of the chosen parts; memory is measured anew."""
    parts = chosen_parts(chosen, (*TASKS, "memory"))
    ledger: dict[str, Any] = read_ledger(LEDGER)
    done: dict[str, Any] = ledger.setdefault("cells", {})
    memory: dict[str, Any] = ledger.setdefault("memory", {})
    for task in (part for part in parts if part in TASKS):
        people = TASKS[task].people or tuple(load_people(task)[0])
        for person, scheme, shots, seed in cells(task, people):
            name = f"{task} {person} {scheme} {shots} {seed}"
            if name not in done:
                done[name] = personalise(task, person, scheme, shots, seed)
                print(name, f"{done[name]['before']:.3f} {done[name]['after']:.3f}", flush=True)
                write(ledger)
    if "memory" in parts:
        for task in TASKS.values():
            for scheme in task.schemes:
                memory[f"{task.model} {scheme}"] = measure_memory(task.model, scheme)
        write(ledger)


if __name__ == "__main__":
    main(sys.argv[1:])
