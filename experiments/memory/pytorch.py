"""Measures how much a process grows by a training step in PyTorch; prints one JSON object.

    python -m experiments.memory.pytorch [--warm]

What a process keeps in memory (VmRSS) and the most it has kept (VmHWM), as Linux counts them:
before torch is imported, right before the network is built, and after one training step and
after ten, batch 1, one thread. The model and a sample are read before that. With ``--warm`` a
network of one weight is trained first, since torch loads much of its own code only then; what is
left is the network and its step. Needs torch (``pip install 'kilograd[baselines]'``).
"""

from __future__ import annotations

import json
import platform
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.paths import checkpoint
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme

MODEL, SCHEME, CLASSES, STEPS = "mcunet-5fps", "mcunet-5fps/49kb", 10, 10


def kept_bytes(what: str) -> int:
    """``VmRSS`` or ``VmHWM`` of this process."""
    found = re.search(
        rf"^{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found is not None
    return int(found[1]) * 1024


def measure(*, warm: bool) -> dict[str, Any]:
    """Build the network, train, and read the counts between."""
    graph = load_model(checkpoint(MODEL), CLASSES)
    scheme = load_scheme(SCHEME, graph)
    sample = np.random.Generator(np.random.PCG64(0)).integers(-128, 128, graph.inputs[0].type.shape)
    samples = sample.astype(np.int8)[None]
    before_import = kept_bytes("VmRSS")

    # Imported here, because the import is one of the things that are measured.
    import torch  # noqa: PLC0415
    from torch.nn.functional import cross_entropy  # noqa: PLC0415

    from kilograd.baselines.float32 import DEFAULT_RATE, Float32Network  # noqa: PLC0415

    torch.set_num_threads(1)
    if warm:
        weight = torch.ones(1, requires_grad=True)
        tiny = torch.optim.SGD([weight], lr=DEFAULT_RATE)
        weight.sum().backward()
        tiny.step()
    # The most that was kept starts anew from here.
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = kept_bytes("VmRSS")

    network = Float32Network(graph, scheme)
    optimizer = torch.optim.SGD(network.parameters(), lr=DEFAULT_RATE)
    label = torch.zeros(1, dtype=torch.int64)
    built = kept_bytes("VmRSS")
    most: list[int] = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        cross_entropy(network(*network.prefix(samples)), label).backward()
        optimizer.step()
        most.append(kept_bytes("VmHWM"))
    return {
        "model": MODEL,
        "scheme": SCHEME,
        "torch": torch.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "resident_before_import": before_import,
        "resident_before_building": before,
        "resident_built": built,
        "peak_after_one_step": most[0],
        "peak_after_steps": most[-1],
        "steps": STEPS,
        "growth": most[0] - before,
        "growth_with_import": most[0] - before_import,
    }


if __name__ == "__main__":
    print(json.dumps(measure(warm="--warm" in sys.argv)))
