"""Measures what the README claims and writes it to experiments/foundation/results.json.

    python -m experiments.foundation.run [memory] [speed] [learning] [import] [demo]

Without arguments everything is measured, in about 20 minutes on two cores. Parts that are not
measured keep their last figures. Needs the published checkpoints and data packs in ../shared.
"""

from __future__ import annotations

import io
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from experiments.common.ledgers import chosen_parts, read_ledger, write_ledger
from experiments.common.packs import pack_path
from experiments.common.paths import BACKBONES, checkpoint, data_file, require_shared
from experiments.common.programs import BOARD, compiled
from experiments.foundation import LEDGER
from kilograd.cli.demo import run_demo
from kilograd.compiler import compile_model
from kilograd.data import Dataset, load_dataset
from kilograd.device.host import HostDevice
from kilograd.errors import BudgetError
from kilograd.frontend.open import input_spec, load_model
from kilograd.measuring.firmware import measure
from kilograd.scheme import load_scheme, published_schemes
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library
from kilograd.training.loop import DEFAULT_RATE, TrainingOptions, train
from kilograd.training.rate import DEFAULT_HEAD_RATE

CLASSES = 10


def open_host(model: str, scheme: str, classes: int | None) -> HostDevice:
    """The model on this machine; with ``classes`` None, its own head."""
    return HostDevice(build_host_library(compiled(model, scheme, classes).sources).path)


def measure_memory() -> dict[str, Any]:
    """SRAM, flash and instructions of every published scheme and of the head alone."""
    rows: dict[str, Any] = {}
    for scheme in published_schemes():
        model = scheme.split("/")[0]
        if Path(checkpoint(model)).is_file():
            rows[scheme] = measure_one(checkpoint(model), scheme)
            if f"{model}/head" not in rows:
                rows[f"{model}/head"] = measure_one(checkpoint(model), "head")
    return rows


def measure_one(model: str, scheme: str) -> dict[str, Any]:
    """One compiled and emulated network."""
    graph = load_model(model, CLASSES)
    started = time.perf_counter()
    program = compile_model(graph, load_scheme(scheme, graph), get_target(BOARD))
    seconds = time.perf_counter() - started
    plan = program.plan
    planned = {"planned": plan.arena_bytes + plan.state_bytes, "compile_seconds": round(seconds, 1)}
    try:
        figures = measure(program).as_dict()
    except BudgetError as error:
        print(scheme, error)
        return {**planned, "does_not_fit": error.what}
    print(scheme, figures["sram_total_bytes"], figures["instructions_train_step"])
    return {**figures, **planned}


def cifar10(train_samples: int, test_samples: int) -> Dataset:
    """A fixed, class-balanced subset."""
    spec = input_spec(load_model(checkpoint("mcunet-5fps")))
    return load_dataset(pack_path("cifar10"), spec, limit=train_samples, test_limit=test_samples)


def measure_speed() -> dict[str, Any]:
    """Training steps a second on this machine, the frozen prefix kept."""
    dataset = cifar10(200, 10)
    rows: dict[str, Any] = {}
    for scheme in ("mcunet-5fps/49kb", "mcunet-5fps/99kb"):
        with open_host(checkpoint("mcunet-5fps"), scheme, CLASSES) as device:
            # The first epoch fills the prefix cache and is not timed.
            train(device, dataset, TrainingOptions(epochs=1))
            snapshots = [device.prefix_snapshot(x) for x in dataset.train.inputs]
            started = time.perf_counter()
            rate = TrainingOptions().learning_rate(400)
            for snapshot, label in zip(snapshots, dataset.train.labels, strict=True):
                device.train_step_from_snapshot(snapshot, int(label), rate)
            rows[scheme] = round(len(snapshots) / (time.perf_counter() - started), 1)
    return {"steps_per_second": rows, "machine": platform.processor() or platform.machine()}


def measure_learning() -> dict[str, Any]:
    """MCUNet, 99kb scheme, 2,000 CIFAR-10 images, 4 epochs, batch 1; 1,500 to test on."""
    dataset = cifar10(2000, 1500)
    rows: dict[str, Any] = {}
    for scheme in ("head", "mcunet-5fps/99kb"):
        for seed in (0, 1):
            rate = DEFAULT_HEAD_RATE if scheme == "head" else DEFAULT_RATE
            with open_host(checkpoint("mcunet-5fps"), scheme, CLASSES) as device:
                result = train(device, dataset, TrainingOptions(4, rate, seed=seed))
            rows[f"{scheme}, seed {seed}"] = {
                "before": result.before.accuracy,
                "after": result.after.accuracy,
                "steps": result.steps,
                "learning_rate": rate,
                "state_digest": result.state_digest,
            }
            print(scheme, seed, result.after.accuracy)
    return {"epochs": 4, "runs": rows}


def measure_import() -> dict[str, Any]:
    """Top-1 of the checkpoints' own 1000-way heads on 500 ImageNet validation images."""
    path = data_file("imagenette128.npz")
    with np.load(path, allow_pickle=False) as pack:
        classes = pack["imagenet_index"]
    rows: dict[str, float] = {}
    for name in BACKBONES:
        spec = input_spec(load_model(checkpoint(name)))
        samples = load_dataset(path, spec, limit=0).test
        with open_host(checkpoint(name), "bias:1", None) as device:
            device.initialize(0)
            right = [
                int(np.argmax(device.predict(x))) == classes[y]
                for x, y in zip(samples.inputs, samples.labels, strict=True)
            ]
        rows[name] = round(100 * float(np.mean(right)), 1)
        print(name, rows[name])
    return rows


def measure_demo() -> dict[str, Any]:
    """The demo's figures, and what it prints."""
    screen = io.StringIO()
    console = Console(file=screen, width=80)
    started = time.perf_counter()
    result = run_demo(console, report=Path("report.html"), epochs=3, seed=0)
    seconds = round(time.perf_counter() - started)
    transcript = [line.rstrip() for line in screen.getvalue().splitlines()]
    return {**result, "seconds": seconds, "transcript": transcript}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "memory": measure_memory,
    "speed": measure_speed,
    "learning": measure_learning,
    "import": measure_import,
    "demo": measure_demo,
}


def main(chosen: list[str]) -> None:
    """Measure the chosen parts and rewrite the ledger after each."""
    parts = chosen_parts(chosen, PARTS)
    require_shared()
    ledger = read_ledger(LEDGER)
    for part in parts:
        ledger[part] = PARTS[part]()
        write_ledger(LEDGER, ledger)


if __name__ == "__main__":
    main(sys.argv[1:])
