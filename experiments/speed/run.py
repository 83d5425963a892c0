"""Times training steps of kilograd's PC build against PyTorch: experiments/speed/results.json.

    python -m experiments.speed.run

The same network, scheme and samples in one process on one machine, taken in turn for several
rounds; only the ratios are claims. kilograd trains in int8, one sample a step, in one thread;
PyTorch in float32, eager, with the threads that are faster for it. Needs torch
(``pip install 'kilograd[baselines]'``).
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as everyone calls it

from experiments.common.ledgers import write_ledger
from experiments.common.packs import pack_path
from experiments.common.paths import checkpoint
from experiments.common.programs import compiled
from experiments.speed import LEDGER
from kilograd.baselines.float32 import DEFAULT_RATE, Float32Network
from kilograd.data import Samples, load_dataset
from kilograd.device.host import HostDevice
from kilograd.device.protocol import LearningRate
from kilograd.frontend.open import input_spec, load_model
from kilograd.scheme import load_scheme
from kilograd.toolchain import build_host_library
from kilograd.training.loop import DEFAULT_RATE as INTEGER_RATE

MODEL, SCHEME, CLASSES = "mcunet-5fps", "mcunet-5fps/99kb", 10
BATCHES, THREADS = (1, 8), (1, 2)
SAMPLES = 200
ROUNDS = 9

#: Runs every sample through a training step once.
Pass = Callable[[], None]


def load_samples() -> Samples:
    """CIFAR-10 images for this model."""
    spec = input_spec(load_model(checkpoint(MODEL)))
    return load_dataset(pack_path("cifar10"), spec, limit=SAMPLES, test_limit=0).train


def kilograd_passes(device: HostDevice, samples: Samples) -> dict[str, Pass]:
    """Steps behind the kept prefix, and whole ones."""
    rate = LearningRate.from_float(INTEGER_RATE)
    snapshots = [device.prefix_snapshot(x) for x in samples.inputs]
    labels = samples.labels.tolist()

    def kept() -> None:
        for snapshot, label in zip(snapshots, labels, strict=True):
            device.train_step_from_snapshot(snapshot, label, rate)

    def whole() -> None:
        for x, label in zip(samples.inputs, labels, strict=True):
            device.train_step(x, label, rate)

    return {"kept": kept, "whole": whole}


def torch_passes(batch: int, threads: int, samples: Samples) -> dict[str, Pass]:
    """The same for PyTorch."""
    graph = load_model(checkpoint(MODEL), CLASSES)
    network = Float32Network(graph, load_scheme(SCHEME, graph))
    optimizer = torch.optim.SGD(network.parameters(), lr=DEFAULT_RATE)
    labels = torch.from_numpy(samples.labels.astype(np.int64))
    values = network.prefix(samples.inputs)

    def step(inputs: tuple[torch.Tensor, ...], chosen: slice) -> None:
        optimizer.zero_grad()
        F.cross_entropy(network(*inputs), labels[chosen]).backward()
        optimizer.step()

    def kept() -> None:
        torch.set_num_threads(threads)
        for start in range(0, SAMPLES, batch):
            chosen = slice(start, start + batch)
            step(tuple(value[chosen] for value in values), chosen)

    def whole() -> None:
        torch.set_num_threads(threads)
        for start in range(0, SAMPLES, batch):
            chosen = slice(start, start + batch)
            step(network.prefix(samples.inputs[chosen]), chosen)

    return {"kept": kept, "whole": whole}


def timed(one_pass: Pass) -> float:
    """Samples a second."""
    started = time.perf_counter()
    one_pass()
    return SAMPLES / (time.perf_counter() - started)


def compare(
    kilograd: list[float], pytorch: dict[str, list[float]], batches: tuple[int, ...] = BATCHES
) -> dict[str, Any]:
    """Speeds and ratios of one kind of step.

    Args:
        kilograd: samples a second, one figure a round.
        pytorch: the same by name, ``batch B, T threads``.
        batches: the batches that are compared with.

    Returns:
        Median samples a second of each, and for each batch the median, lowest and highest over
        the rounds of kilograd's speed over PyTorch's, with the threads that make PyTorch faster.
    """
    speeds = {name: statistics.median(found) for name, found in pytorch.items()}
    ratios: dict[str, Any] = {}
    for batch in batches:
        best = max((n for n in speeds if n.startswith(f"batch {batch},")), key=speeds.__getitem__)
        found = [ours / theirs for ours, theirs in zip(kilograd, pytorch[best], strict=True)]
        ratios[f"batch {batch}"] = {
            "ratio": round(statistics.median(found), 3),
            "lowest": round(min(found), 3),
            "highest": round(max(found), 3),
            "against": best,
        }
    return {
        "kilograd_over_pytorch": ratios,
        "samples_per_second": {
            "kilograd, batch 1, 1 thread": round(statistics.median(kilograd), 1),
            **{f"pytorch, {name}": round(speed, 1) for name, speed in speeds.items()},
        },
    }


def measure() -> dict[str, Any]:
    """All rounds."""
    samples = load_samples()
    program = compiled(checkpoint(MODEL), SCHEME, CLASSES)
    with HostDevice(build_host_library(program.sources).path) as device:
        device.initialize(0)
        passes = {"kilograd": kilograd_passes(device, samples)}
        for batch in BATCHES:
            for threads in THREADS:
                name = f"batch {batch}, {threads} thread{'s' * (threads > 1)}"
                passes[name] = torch_passes(batch, threads, samples)
        found: dict[str, dict[str, list[float]]] = {
            kind: {name: [] for name in passes} for kind in ("kept", "whole")
        }
        for turn in range(ROUNDS + 1):  # the first, in which memory is allocated, does not count
            for kind, speeds in found.items():
                for name, kinds in passes.items():
                    speed = timed(kinds[kind])
                    if turn:
                        speeds[name].append(speed)
            print(f"round {turn} of {ROUNDS}", flush=True)
    return {
        "model": MODEL,
        "scheme": SCHEME,
        "samples": SAMPLES,
        "rounds": ROUNDS,
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        **{
            {"kept": "prefix kept", "whole": "whole step"}[kind]: compare(
                speeds.pop("kilograd"), speeds
            )
            for kind, speeds in found.items()
        },
    }


def main() -> None:
    """Measure and write."""
    result = measure()
    write_ledger(LEDGER, result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
