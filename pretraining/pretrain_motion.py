"""Pretrain `kilograd-motion` on six kinds of motion and export it as a NumPy archive.

Learns from the people of the UCI HAR pack that are not held out; the held-out ones (by default the
pack's test people) are only counted at the end:

    PYTHONPATH=src python -m pretraining.pretrain_motion --data ../shared/data --output motion.npz

It reads what the sensors themselves say, acceleration with gravity and rotation, and so needs no
filter on the device. Windows are augmented: the sensor turned, time stretched and shifted, gain
and noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from kilograd.features import Motion
from pretraining.qat import ConvUnit, QuantizedNetwork, SeparableBlock
from pretraining.recipe import FLOAT_PART, quantized_part
from pretraining.signals import (
    QAT_RATE,
    QAT_SHARE,
    Split,
    input_entry,
    parser_for,
    pretrain,
    save,
    start,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pretraining.qat import Batches

PACK = "uci_har_testsubjects.npz"
CLASSES = 6
# Sensors count 1/2048 g and 1/1024 rad/s; the int8 input reaches 2 g and 4 rad/s.
FEATURES = Motion(
    rate=50.0,
    length=128,
    channels=tuple(f"{sensor}_{axis}" for sensor in ("total_acc", "body_gyro") for axis in "xyz"),
    units=(1 / 2048,) * 3 + (1 / 1024,) * 3,
    scales=(2 / 127,) * 3 + (4 / 127,) * 3,
)
INPUT_SCALE = 1 / 32
KERNEL = (5, 1)
STEM_CHANNELS = 24
# Per block: expanded channels, stride, output channels.
BLOCKS = ((48, 2, 32), (64, 1, 32), (96, 2, 48), (96, 1, 48), (96, 1, 64))
BATCH = 64
SMOKE_SAMPLES = 128
MOST_DEGREES, MOST_SHIFT = 30.0, 10.0


@dataclass(frozen=True)
class Windows:
    """Windows of some people: `counts` int16 `[N, 128, 6]`, `labels` int64 `[N]`, their names."""

    counts: NDArray[np.int16]
    labels: NDArray[np.int64]
    class_names: list[str]

    def split(self) -> Split:
        """Their integer features."""
        return Split(FEATURES.apply(self.counts), self.labels)


def load_people(path: Path, held_out: set[int], limit: int | None) -> tuple[Windows, Windows]:
    """Windows of the people to learn from, and of those that are held out."""
    with np.load(path) as pack:
        names = pack["channels"].tolist()
        columns = [names.index(channel) for channel in FEATURES.channels]
        counts = FEATURES.counts(pack["x"][..., columns])
        labels, person = pack["labels"].astype(np.int64), pack["subject"]
        class_names = pack["class_names"].tolist()
    is_held_out = np.isin(person, sorted(held_out))
    rows = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    step = 1 if limit is None else max(1, len(labels) // limit)
    learn, count = (Windows(counts[r[::step]], labels[r[::step]], class_names) for r in rows)
    return learn, count


def rotations(n: int) -> Tensor:
    """Random rotations `[n, 3, 3]` by up to `MOST_DEGREES`, about any axis."""
    axis = nn.functional.normalize(torch.randn(n, 3), dim=1)
    angle = torch.empty(n, 1, 1).uniform_(0, math.radians(MOST_DEGREES))
    cross = torch.zeros(n, 3, 3)
    for row, column, part in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        cross[:, row, column] = -axis[:, part]
        cross[:, column, row] = axis[:, part]
    return torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)


def augment(x: Tensor) -> Tensor:
    """Turn, stretch, shift, scale and disturb windows `[N, T, 6]` in input steps."""
    n, length, channels = x.shape
    turn = rotations(n)
    sensors = [torch.einsum("nij,ntj->nti", turn, x[..., i : i + 3]) for i in range(0, channels, 3)]
    x = torch.cat(sensors, 2)
    pace = torch.empty(n, 1).uniform_(0.85, 1.15)
    shift = torch.empty(n, 1).uniform_(-MOST_SHIFT, MOST_SHIFT)
    position = (torch.arange(length)[None] - length / 2) * pace + length / 2 + shift
    last = length - 1.0
    position = (last - (last - position.abs()).abs()).clamp(0, last - 1e-3)  # mirrored at the ends
    before = position.long()[..., None]
    part = position[..., None] - before
    index = before.expand(-1, -1, channels)
    x = x.gather(1, index) * (1 - part) + x.gather(1, index + 1) * part
    gain = torch.empty(n, 1, channels // 3).uniform_(0.9, 1.1).repeat_interleave(3, 2)
    return x * gain + torch.randn_like(x)


def batches(windows: Windows) -> Batches:
    """Yield augmented batches for ever, reshuffling after every pass."""
    steps = torch.tensor([u / s for u, s in zip(FEATURES.units, FEATURES.scales, strict=True)])
    while True:
        order = torch.randperm(len(windows.labels)).numpy()
        for i in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[i : i + BATCH]
            x = augment(torch.from_numpy(windows.counts[rows]).float() * steps)
            maps = x.round().clamp(-128, 127).permute(0, 2, 1)[..., None]
            yield maps * INPUT_SCALE, torch.from_numpy(windows.labels[rows])


def build_network() -> QuantizedNetwork:
    """The untrained network."""
    sensors = len(FEATURES.channels)
    stem = ConvUnit("stem", "conv", (sensors, STEM_CHANNELS), kernel=KERNEL, stride=2)
    widths = (STEM_CHANNELS, *(block[2] for block in BLOCKS))
    blocks = nn.Sequential(
        *(
            SeparableBlock(i, (widths[i], c_out), kernel=KERNEL, stride=stride, expanded=expanded)
            for i, (expanded, stride, c_out) in enumerate(BLOCKS)
        )
    )
    return QuantizedNetwork(stem, blocks, [nn.Linear(widths[-1], CLASSES)])


def main() -> None:
    """Train, quantize, measure and write the network."""
    parser = parser_for(__doc__.splitlines()[0], "kilograd-motion", epochs=60)
    parser.add_argument("--held-out", type=int, nargs="+", default=[18, 20, 24], metavar="PERSON")
    args = parser.parse_args()
    started = start(args)
    epochs, limit = (2, SMOKE_SAMPLES) if args.smoke else (args.epochs, None)
    windows, held_out = load_people(args.data / PACK, set(args.held_out), limit)
    result = pretrain(
        "kilograd-motion",
        build_network(),
        [batches(windows)],
        epochs * (len(windows.labels) // BATCH),
        input_entry(FEATURES, INPUT_SCALE, 0),
        {"train": windows.split(), "held_out": held_out.split()},
        windows.class_names,
    )
    people = ", ".join(map(str, sorted(args.held_out)))
    recipe = (
        f"{epochs} epochs over the {len(windows.labels):,} windows of everyone but {people}, "
        f"batches of {BATCH}; {FLOAT_PART}; sensor turned by up to {MOST_DEGREES:.0f} degrees, "
        f"pace, shift, gain, noise; {quantized_part(QAT_SHARE, QAT_RATE)}"
    )
    save(args, result, started=started, recipe=recipe)


if __name__ == "__main__":
    main()
