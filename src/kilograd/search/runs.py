"""Short training runs: what a choice learns in a few steps, by the arithmetic that ships."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilograd.compiler import Optimization, compile_model
from kilograd.data import Samples
from kilograd.device.host import HostDevice
from kilograd.device.protocol import DEFAULT_RATE
from kilograd.errors import UserError
from kilograd.files import cache_directory, write_atomically
from kilograd.ir import Graph
from kilograd.ir.text import print_graph
from kilograd.ops.arithmetic import NUMERICS_VERSION
from kilograd.search.choice import Choice
from kilograd.toolchain import build_host_library
from kilograd.training.loop import TrainingOptions
from kilograd.training.runner import Runner

#: Steps that a run has, in whole passes over its samples. A thousand are too few: what learns fast
#: then, such as projections, gains nothing in the end (docs/search.md).
STEPS = 4000
#: Passes at most.
_MOST_EPOCHS = 12
#: Of the softmax, tried on the validation samples: powers of two, four an octave.
_TEMPERATURES = [2.0 ** (step / 4) for step in range(-12, 25)]


@dataclass(frozen=True)
class Outcome:
    """How a run did on the validation samples.

    Attributes:
        accuracy: share of them that were classified rightly, in [0, 1].
        expected: mean probability that the network gave to the right class: the accuracy of
            guessing by its probabilities, which changes smoothly with what was learned, but also
            with mere confidence.
        calibrated: geometric mean of the same probabilities at the temperature of the softmax that
            makes it largest (Guo et al., "On Calibration of Modern Neural Networks", section 4.2).
    """

    accuracy: float
    expected: float
    calibrated: float


@dataclass(frozen=True, eq=False)
class Material:
    """One task's samples as a run reads them: at a boundary behind the frozen layers.

    Attributes:
        fit: that runs learn from.
        validation: that they are judged by.
        classes: how many there are; a network may have more.
    """

    fit: Samples
    validation: Samples
    classes: int


def short_run(
    graph: Graph,
    head: str,
    choice: Choice,
    materials: Sequence[Material],
    seed: int = 0,
    steps: int = STEPS,
) -> list[Outcome]:
    """Train a choice on each task, from the same start and at the same rate.

    Args:
        graph: from the boundary on, with at least as many classes as any task.
        head: name of its last layer.
        choice: what is trained beside it.
        materials: one a task.
        seed: of the order of samples and of the rounding.
        steps: of each run, about.
    """
    # Without rows the frozen layers end exactly where the first trained one begins, and nothing is
    # computed twice to save memory that this computer has.
    unused = [Optimization.ROWS, Optimization.RECOMPUTED]
    program = compile_model(graph, choice.scheme("search", head), without=unused)
    with HostDevice(build_host_library(program.sources).path) as device:
        return [_run(device, material, seed, steps) for material in materials]


def _run(device: HostDevice, material: Material, seed: int, steps: int) -> Outcome:
    fit, validation = material.fit, material.validation
    epochs = min(_MOST_EPOCHS, max(1, round(steps / len(fit))))
    options = TrainingOptions(epochs, DEFAULT_RATE, seed=seed)
    learning = options.learning_rate(epochs * len(fit))
    device.initialize(seed)
    device.set_active_classes(material.classes)
    runner: Runner[int] = Runner(device, lambda index: fit.inputs[index])
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(epochs):
        for index in generator.permutation(len(fit)).tolist():
            runner.step(index, int(fit.labels[index]), learning)
    logits = np.stack([device.predict(sample) for sample in validation.inputs])
    return judge(logits[:, : material.classes], validation.labels)


def judge(logits: NDArray[np.int32], labels: NDArray[np.int32]) -> Outcome:
    """How good predictions are.

    Args:
        logits: [samples, classes], in units of 2^-16.
        labels: [samples].
    """
    real = logits / float(1 << 16)
    real -= real.max(axis=1, keepdims=True)
    hits: NDArray[np.bool_] = real.argmax(axis=1) == labels
    best = max(float(_log_probabilities(real / t, labels).mean()) for t in _TEMPERATURES)
    expected = np.exp(_log_probabilities(real, labels)).mean()
    return Outcome(float(hits.mean()), float(expected), float(np.exp(best)))


def _log_probabilities(
    logits: NDArray[np.float64], labels: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Of the right classes; the largest logit of each row is 0."""
    right: NDArray[np.float64] = logits[np.arange(len(labels)), labels]
    return right - np.log(np.exp(logits).sum(axis=1))


class RunStore:
    """Outcomes of short runs on disk, each under the hash of all that it follows from.

    Args:
        graph: the whole forward graph.
        folder: None for `search` in kilograd's cache.
        steps: that each run has.
    """

    def __init__(self, graph: Graph, folder: Path | None = None, steps: int = STEPS) -> None:
        self.steps = steps
        self.folder = folder or cache_directory() / "search"
        self._model = hashlib.sha256(print_graph(graph).encode()).hexdigest()
        constants = hashlib.sha256()
        for value in graph.constants:
            constants.update(value.array.tobytes())
        self._model += constants.hexdigest()

    def find(self, choice: Choice, task: str, seed: int) -> Outcome | None:
        """The outcome of a run that was made before; None where there is none, or no whole one."""
        try:
            contents = json.loads(self._path(choice, task, seed).read_text(encoding="utf-8"))
            kept = (contents[name] for name in ("accuracy", "expected", "calibrated"))
            return Outcome(*map(float, kept))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, choice: Choice, task: str, seed: int, outcome: Outcome) -> None:
        """Write an outcome, whole or not at all.

        Raises:
            UserError: it cannot be written, such as to a full disk.
        """
        path = self._path(choice, task, seed)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"results of runs cannot be kept: {error.strerror or error}",
                where=str(path.parent),
                hint="finished runs stay; make room, or name another folder in KILOGRAD_CACHE",
            ) from error
        write_atomically(path, (json.dumps(asdict(outcome)) + "\n").encode())

    def _path(self, choice: Choice, task: str, seed: int) -> Path:
        what = {
            "numerics": NUMERICS_VERSION,
            "model": self._model,
            "task": task,
            "biases": choice.biases,
            "weights": choice.weights,
            "steps": [self.steps, _MOST_EPOCHS],
            "seed": seed,
        }
        name = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.json"
