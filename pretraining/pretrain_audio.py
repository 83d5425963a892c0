"""Pretrain `kilograd-kws` on spoken words and export it as a NumPy archive.

Learns the ten words of the Arabic speech commands pack from its 18 training speakers; the six
validation speakers served for choices, the test speakers are only counted at the end:

    PYTHONPATH=src python -m pretraining.pretrain_audio --data ../shared/data --output kws.npz

A second head, thrown away afterwards, learns words that nobody says: recordings reversed, and the
first half of one word before the second half of another. They make the features tell sounds apart
that the ten words need not, which is what new words are learned from.

Samples are augmented as waveforms and go through the log-mel features in float, rounded to the
integers' grid; accuracy is that of the integer features.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from kilograd.data.signals import fit_recording
from kilograd.features import LogMel, decode_mulaw
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
    from numpy.typing import NDArray

    from pretraining.qat import Batches

PACK = "arabic_kws10_mulaw8k.npz"
WORDS = 10
# Reversed words, and every pair of different or equal words.
MADE_UP = WORDS + WORDS**2
FEATURES = LogMel(
    rate=8000,
    window=256,
    hop=160,
    frames=49,
    bands=32,
    low_hz=100.0,
    high_hz=3800.0,
    centre=42.0,
    scale=0.125,
    zero_point=0,
)
STEM_CHANNELS = 16
# Per block: expanded channels (None: no first pointwise layer), stride, output channels.
BLOCKS = (
    (None, 2, 24),
    (72, 1, 24),
    (72, 1, 24),
    (96, 2, 40),
    (120, 1, 40),
    (160, 1, 96),
)
WORDS_PER_BATCH, MADE_UP_PER_BATCH = 48, 48
SMOKE_SAMPLES = 128
# Shares of the samples with noise, of the noise that is brown, of made-up words that are reversed.
NOISY, BROWN, REVERSED = 0.7, 0.5, 0.5


@dataclass(frozen=True)
class Recordings:
    """One split: `waveforms` int16 `[N, samples]`, `labels` int64 `[N]`, names of the labels."""

    waveforms: NDArray[np.int16]
    labels: NDArray[np.int64]
    class_names: list[str]

    def maps(self) -> NDArray[np.int8]:
        """The integer features, int8 `[N, frames, bands, 1]`."""
        return FEATURES.apply(self.waveforms)


def load_split(path: Path, split: int, limit: int | None) -> Recordings:
    """Recordings of split 0 (training), 1 (validation) or 2 (test); `limit` keeps some evenly."""
    with np.load(path) as pack:
        rows = np.flatnonzero(pack["split"] == split)
        if limit is not None:
            rows = rows[:: max(1, len(rows) // limit)]
        mulaw, labels = pack["mulaw"][rows], pack["labels"][rows]
        class_names = pack["class_names"].tolist()
    waveforms = np.stack([fit_recording(decode_mulaw(m), FEATURES.samples) for m in mulaw])
    return Recordings(waveforms, labels.astype(np.int64), class_names)


class FloatLogMel:
    """The features in float, rounded to their integers' grid: real values `[N, 1, T, bands]`."""

    def __init__(self) -> None:
        angles = np.pi * (np.arange(FEATURES.window) + 0.5) / FEATURES.window
        self._window = torch.from_numpy(np.sin(angles) ** 2).float()
        self._filters = torch.from_numpy(FEATURES.filter_bank() / 2**14).float()
        # Of the integers' sums: samples are shifted up by 7 bits, the transform is doubled, the
        # power shifted down by 14 bits and the filters up by 14.
        self._unit = 16.0

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Of float waveforms `[N, samples]` in steps of int16."""
        frames = waveforms.unfold(1, FEATURES.window, FEATURES.hop) * self._window
        bins = slice(FEATURES.bins.start, FEATURES.bins.stop)
        power = torch.fft.rfft(frames).abs().square()[..., bins]
        logarithms = torch.log2((power @ self._filters.T).clamp_min(1e-9)) + self._unit
        steps = torch.round((logarithms - FEATURES.centre) / FEATURES.scale)
        return steps.clamp(-128, 127)[:, None] * FEATURES.scale


def augment_waveforms(x: Tensor) -> Tensor:
    """Change pace and pitch, shift by up to 0.1 s, change the gain, add white or brown noise."""
    n, count = x.shape
    pace = torch.empty(n, 1).uniform_(0.85, 1.18)
    shift = torch.empty(n, 1).uniform_(-0.1, 0.1) * FEATURES.rate
    position = (torch.arange(count)[None] - count / 2) * pace + count / 2 + shift
    before = position.floor()
    is_inside = (before >= 0) & (before < count - 1)
    index = before.long().clamp(0, count - 2)
    part = position - before
    y = (x.gather(1, index) * (1 - part) + x.gather(1, index + 1) * part) * is_inside
    y *= 10 ** (torch.empty(n, 1).uniform_(-12, 6) / 20)
    white = torch.randn(n, count)
    noise = torch.where(torch.rand(n, 1) > BROWN, white, torch.cumsum(white, 1))
    noise = (noise - noise.mean(1, keepdim=True)) / noise.std(1, keepdim=True)
    level = y.square().mean(1, keepdim=True).sqrt()
    ratio = 10 ** (-torch.empty(n, 1).uniform_(5, 50) / 20)
    y += noise * level * ratio * (torch.rand(n, 1) < NOISY)
    return y.clamp(-32768, 32767)


def augment_maps(x: Tensor) -> Tensor:
    """Mask up to 7 frames and 4 bands, and tilt the spectrum as another microphone would."""
    n, _, frames, bands = x.shape
    masked = torch.zeros(n, 1, frames, bands, dtype=torch.bool)
    for axis, extent, longest in ((2, frames, 8), (3, bands, 5)):
        shape = [1, 1, 1, 1]
        shape[axis] = extent
        at = torch.arange(extent).reshape(shape)
        start = torch.randint(0, extent, (n, 1, 1, 1))
        masked |= (at >= start) & (at < start + torch.randint(0, longest, (n, 1, 1, 1)))
    x = torch.where(masked, x.mean((2, 3), keepdim=True), x)
    return x + torch.empty(n, 1, 1, 1).uniform_(-1.5, 1.5) * torch.linspace(-1, 1, bands)


def say_backwards_or_splice(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Make up words: half of the recordings reversed, the others joined from two.

    Recordings are joined where half of their energy is over, in the middle of the result.
    """
    n, count = x.shape
    time = torch.arange(count)[None]
    energy = x.square().cumsum(1)
    middle = (energy < energy[:, -1:] / 2).sum(1, keepdim=True)
    aligned = x.gather(1, (time + middle - count // 2) % count)
    other = torch.randperm(n)
    joined = torch.where(time < count // 2, aligned, aligned[other])
    pairs = WORDS + WORDS * labels + labels[other]
    is_reversed = torch.rand(n) < REVERSED
    return (
        torch.where(is_reversed[:, None], x.flip(1), joined),
        torch.where(is_reversed, labels, pairs),
    )


def batches(recordings: Recordings, batch: int, *, made_up: bool = False) -> Batches:
    """Yield augmented batches for ever, reshuffling after every pass."""
    log_mel = FloatLogMel()
    while True:
        order = torch.randperm(len(recordings.labels)).numpy()
        for i in range(0, len(order) - batch + 1, batch):
            rows = order[i : i + batch]
            x = torch.from_numpy(recordings.waveforms[rows]).float()
            labels = torch.from_numpy(recordings.labels[rows])
            if made_up:
                x, labels = say_backwards_or_splice(x, labels)
            yield augment_maps(log_mel(augment_waveforms(x))), labels


def build_network() -> QuantizedNetwork:
    """The untrained network with a head for words and one for made-up words."""
    stem = ConvUnit("stem", "conv", (1, STEM_CHANNELS), kernel=5, stride=2)
    widths = (STEM_CHANNELS, *(block[2] for block in BLOCKS))
    blocks = nn.Sequential(
        *(
            SeparableBlock(i, (widths[i], c_out), stride=stride, expanded=expanded)
            for i, (expanded, stride, c_out) in enumerate(BLOCKS)
        )
    )
    heads = [nn.Linear(widths[-1], WORDS), nn.Linear(widths[-1], MADE_UP)]
    return QuantizedNetwork(stem, blocks, heads)


def main() -> None:
    """Train, quantize, measure and write the network."""
    args = parser_for(__doc__.splitlines()[0], "kilograd-kws", epochs=60).parse_args()
    started = start(args)
    epochs = 2 if args.smoke else args.epochs
    limit = SMOKE_SAMPLES if args.smoke else None
    training, validation, test = (load_split(args.data / PACK, s, limit) for s in (0, 1, 2))
    result = pretrain(
        "kilograd-kws",
        build_network(),
        [
            batches(training, WORDS_PER_BATCH),
            batches(training, MADE_UP_PER_BATCH, made_up=True),
        ],
        epochs * (len(training.labels) // WORDS_PER_BATCH),
        input_entry(FEATURES, FEATURES.scale, FEATURES.zero_point),
        {
            "validation": Split(validation.maps(), validation.labels),
            "test": Split(test.maps(), test.labels),
        },
        training.class_names,
    )
    recipe = (
        f"{epochs} epochs over the {len(training.labels):,} training recordings, each batch "
        f"{WORDS_PER_BATCH} words "
        f"and {MADE_UP_PER_BATCH} made-up words (reversed, or spliced from two) with a head of "
        f"their own; {FLOAT_PART}; pace, shift, gain, noise, masked frames and bands, tilt; "
        f"{quantized_part(QAT_SHARE, QAT_RATE)}"
    )
    save(args, result, started=started, recipe=recipe)


if __name__ == "__main__":
    main()
