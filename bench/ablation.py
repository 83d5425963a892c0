"""Makes each choice of docs/numerics.md differently and measures what that does to accuracy.

    python bench/ablation.py [variation …]

MCUNet-5FPS, scheme mcunet-5fps/99kb, batch 1, on this machine with the shipped kernels; writes
bench/results/ablation.json after every run and skips the runs that are already there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from keeping import KeepingDevice
from ledgers import read_ledger, write_ledger
from packs import PACKS, SHARED, checkpoint, load_pack
from variants import VARIATIONS, Variation

from kilograd.compiler import compile_model
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.toolchain import build_host_library
from kilograd.training.loop import DEFAULT_RATE, TrainingOptions, train

LEDGER = Path(__file__).parent / "results" / "ablation.json"
MODEL, SCHEME = "mcunet-5fps", "mcunet-5fps/99kb"
DATA = ("cifar10", "flowers5")
SEEDS = (0, 1)
LOCK = threading.Lock()


def open_variation(variation: Variation, classes: int) -> KeepingDevice:
    """The model with one choice made differently, in the plain C that variations know."""
    graph = load_model(checkpoint(MODEL), classes)
    program = compile_model(graph, load_scheme(SCHEME, graph))
    sources = variation.apply(program.sources)
    return KeepingDevice(build_host_library(sources, extra_flags=("-DKG_PLAIN",)).path)


def run_variation(name: str, done: set[str]) -> None:
    """All runs of one variation that are not done yet; prints a JSON line for each."""
    variation = VARIATIONS[name]
    if variation.prepare is not None:
        variation.prepare()
    for data in DATA:
        keys = {
            f"{name} {data} {factor} {seed}": (factor, seed)
            for factor in variation.rate_factors
            for seed in SEEDS
        }
        wanted = {key: run for key, run in keys.items() if key not in done}
        if not wanted:
            continue
        dataset = load_pack(SHARED / "data" / PACKS[data].file, checkpoint(MODEL))
        with open_variation(variation, len(dataset.class_names)) as device:
            for key, (factor, seed) in wanted.items():
                options = TrainingOptions(PACKS[data].epochs, DEFAULT_RATE * factor, seed=seed)
                result = train(device, dataset, options)
                row = {
                    "accuracy": round(result.after.accuracy, 6),
                    "digest": result.state_digest[:16],
                }
                print(json.dumps({key: row}), flush=True)


def collect(name: str) -> None:
    """Run one variation in a process of its own, since what it prepares cannot be undone."""
    command = [sys.executable, __file__, "--one", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            with LOCK:
                ledger = read()
                ledger["runs"].update(json.loads(line))
                write_ledger(LEDGER, ledger, sort_keys=False)
    if process.returncode:
        sys.exit(f"{name} failed")


def read() -> dict[str, Any]:
    """The ledger so far: ``runs`` by name, and what each variation is."""
    known = {
        name: {"group": v.group, "label": v.label, "state_bytes": v.state_bytes}
        for name, v in VARIATIONS.items()
    }
    return {"runs": read_ledger(LEDGER).get("runs", {}), "variations": known}


def main(chosen: list[str]) -> None:
    """Run what is missing, as many variations at a time as there are cores."""
    if chosen[:1] == ["--one"]:
        run_variation(chosen[1], set(read()["runs"]))
        return
    unknown = set(chosen) - set(VARIATIONS)
    if unknown:
        sys.exit(f"no such variation: {', '.join(sorted(unknown))}; known: {', '.join(VARIATIONS)}")
    jobs = [delayed(collect)(name) for name in chosen or VARIATIONS]
    Parallel(n_jobs=os.cpu_count(), prefer="threads")(jobs)


if __name__ == "__main__":
    main(sys.argv[1:])
