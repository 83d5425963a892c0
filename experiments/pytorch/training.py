"""Trains the network in float32, as its author would, on CIFAR-10."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from experiments.pytorch.network import MobileNetV2

WIDTH, CLASSES = 0.35, 10
BATCH, SEED = 128, 0
#: Epochs of each cycle, and the highest rate in it.
CYCLES = ((16, 4e-3), (7, 1.5e-3))
_DECAY, _SMOOTHING = 0.05, 0.1
_SHIFT = 4
_EVALUATED = 500


def train_cycle(
    network: MobileNetV2, cycle: int, inputs: NDArray[np.float32], labels: NDArray[np.int32]
) -> None:
    """Train a network for one of the ``CYCLES``.

    Args:
        network: as it came out of the cycle before, or a new one.
        cycle: number of the cycle.
        inputs: images [n, 3, 32, 32], in [-1, 1].
        labels: [n].
    """
    epochs, rate = CYCLES[cycle]
    torch.manual_seed(SEED + cycle)
    torch.set_num_threads(os.cpu_count() or 1)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=_DECAY)
    steps = len(labels) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, epochs * steps)
    x, y = torch.from_numpy(inputs.copy()), torch.from_numpy(labels.copy()).long()
    for epoch in range(epochs):
        network.train()
        total = 0.0
        for chosen in _batches(len(y)):
            optimizer.zero_grad()
            logits = network(_augmented(x[chosen]))
            loss = functional.cross_entropy(logits, y[chosen], label_smoothing=_SMOOTHING)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1} of {epochs}: mean loss {total / steps:.3f}", flush=True)
    network.eval()


def _batches(count: int) -> Iterator[Tensor]:
    order = torch.randperm(count)
    for first in range(0, count - BATCH + 1, BATCH):
        yield order[first : first + BATCH]


def _augmented(x: Tensor) -> Tensor:
    """Each image mirrored or not, and shifted by some pixels."""
    flip = torch.rand(len(x)) < 0.5  # noqa: PLR2004 - every other
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    padded = functional.pad(x, (_SHIFT,) * 4, mode="reflect")
    side = x.shape[2]
    top, left = (torch.randint(2 * _SHIFT + 1, (len(x),)) for _ in range(2))
    steps = torch.arange(side)
    rows, columns = top[:, None] + steps, left[:, None] + steps
    found = padded[torch.arange(len(x))[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return found.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def accuracy(network: nn.Module, inputs: NDArray[np.float32], labels: NDArray[np.int32]) -> float:
    """Share of samples that a module classifies rightly."""
    hits = 0
    with torch.no_grad():
        for first in range(0, len(labels), _EVALUATED):
            logits: Tensor = network(torch.from_numpy(inputs[first : first + _EVALUATED]))
            hits += int((logits.argmax(1).numpy() == labels[first : first + _EVALUATED]).sum())
    return hits / len(labels)
