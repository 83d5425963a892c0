"""Pretrain the int8 backbone `kilograd-48` on CPU and export it as a NumPy archive.

The backbone is trained jointly on CIFAR-10 and a Tiny-ImageNet subset (one dense head each),
first in float with batch normalization, then with fake quantization after folding it:

    python -m pretraining.pretrain_backbone --data ../shared/data --output build/backbone48_int8.npz

The pretraining scripts are the only part of the project that needs PyTorch.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from pretraining.int8_network import count_macs, save_network, top1_percent
from pretraining.qat import (
    ConvUnit,
    QuantizedNetwork,
    SeparableBlock,
    export,
    start_quantization,
    top1_float,
    train,
)
from pretraining.recipe import (
    CALIBRATION,
    FLOAT_PART,
    FLOAT_RATE,
    WEIGHT_DECAY,
    quantized_part,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pretraining.qat import Batches

THREADS = 2
SIDE = 48
INPUT_SCALE = 1.0 / 127.5
STEM_CHANNELS = 16
# Per block: expanded channels, depthwise kernel, stride, output channels.
BLOCKS = (
    (16, 3, 1, 12),
    (36, 3, 2, 24),
    (72, 3, 1, 24),
    (96, 5, 2, 40),
    (120, 3, 1, 40),
    (160, 5, 1, 40),
    (160, 3, 1, 48),
    (192, 5, 2, 72),
    (256, 3, 1, 72),
    (256, 3, 1, 128),
)
FEATURES = BLOCKS[-1][3]
# Data pack, split (0 train, 1 test) and number of images in a smoke run.
SPLITS = (
    ("cifar10_jpeg32.npz", 0, 150),
    ("tinyimagenet200_jpeg64_subset.npz", 0, 50),
    ("cifar10_jpeg32.npz", 1, 100),
    ("tinyimagenet200_jpeg64_subset.npz", 1, 100),
)
CIFAR_PER_BATCH, TINY_PER_BATCH = 96, 32
QAT_RATE, QAT_SHARE = 2e-4, 0.12
GREY_SHARE = 0.1


@dataclass(frozen=True)
class Images:
    """One labelled split: `rgb` uint8 `[N, 48, 48, 3]`, `labels` int64 `[N]`."""

    rgb: NDArray[np.uint8]
    labels: NDArray[np.int64]


def load_split(path: Path, split: int, limit: int | None, seed: int) -> Images:
    """Decode one split of a data pack and resize it bilinearly to 48x48.

    `limit` keeps that many images drawn at random; None keeps all.
    """
    with np.load(path) as pack:
        jpeg, offsets, labels = pack["jpeg"].tobytes(), pack["offsets"], pack["labels"]
        chosen = np.flatnonzero(pack["split"] == split)
    chosen = np.sort(np.random.default_rng(seed).permutation(chosen)[:limit])
    rgb = np.empty((len(chosen), SIDE, SIDE, 3), np.uint8)
    for row, i in enumerate(chosen):
        with Image.open(io.BytesIO(jpeg[offsets[i] : offsets[i + 1]])) as image:
            rgb[row] = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return Images(rgb, labels[chosen].astype(np.int64))


def quantize_image(rgb: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Map uint8 RGB of any shape to int8 by `round(rgb - 127.5)`, scale 1/127.5, zero point 0."""
    centred = np.rint(rgb.astype(np.float32) - 127.5)
    return np.clip(centred, -128, 127).astype(np.int8)


def build_network(tiny_classes: int) -> QuantizedNetwork:
    """The untrained backbone with a CIFAR-10 head and a Tiny-ImageNet head."""
    stem = ConvUnit("stem", "conv", (3, STEM_CHANNELS), kernel=3, stride=2)
    widths = (STEM_CHANNELS, *(block[3] for block in BLOCKS))
    blocks = nn.Sequential(
        *(
            SeparableBlock(i, (widths[i], c_out), kernel=kernel, stride=stride, expanded=expanded)
            for i, (expanded, kernel, stride, c_out) in enumerate(BLOCKS)
        )
    )
    heads = [nn.Linear(FEATURES, 10), nn.Linear(FEATURES, tiny_classes)]
    return QuantizedNetwork(stem, blocks, heads).to(memory_format=torch.channels_last)


def augment(x: Tensor) -> Tensor:
    """Randomly zoom, shift, mirror and recolour images `[N, 3, H, W]` in [-1, 1]."""
    n = len(x)
    theta = torch.zeros(n, 2, 3)
    zoom = torch.empty(n).uniform_(0.75, 1.05)
    theta[:, 0, 0] = zoom * torch.empty(n).uniform_(0.9, 1.1) * (torch.randint(2, (n,)) * 2 - 1)
    theta[:, 1, 1] = zoom
    theta[:, :, 2].uniform_(-0.15, 0.15)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    x = functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    grey = x.mean(dim=1, keepdim=True)
    saturation = torch.empty(n, 1, 1, 1).uniform_(0.6, 1.4)
    saturation[torch.rand(n) < GREY_SHARE] = 0.0
    contrast = torch.empty(n, 1, 1, 1).uniform_(0.75, 1.25)
    brightness = torch.empty(n, 1, 1, 1).uniform_(-0.2, 0.2)
    return ((grey + saturation * (x - grey)) * contrast + brightness).clamp(-1, 1)


def to_input(rgb: NDArray[np.uint8]) -> Tensor:
    """Convert uint8 `[N, H, W, 3]` to the real values of its int8 code, `[N, 3, H, W]`."""
    return torch.from_numpy(quantize_image(rgb)).permute(0, 3, 1, 2).float() * INPUT_SCALE


def shuffled_batches(images: Images, batch: int) -> Batches:
    """Yield augmented batches for ever, reshuffling after every pass."""
    while True:
        order = torch.randperm(len(images.labels)).numpy()
        for i in range(0, len(order) - batch + 1, batch):
            rows = order[i : i + batch]
            yield augment(to_input(images.rgb[rows])), torch.from_numpy(images.labels[rows])


def float_accuracy(model: QuantizedNetwork, images: Images, task: int) -> float:
    """Top-1 accuracy in percent of the PyTorch model."""
    return top1_float(model, to_input(images.rgb), images.labels, task)


def int8_accuracy(
    structure: dict[str, Any], arrays: dict[str, NDArray[Any]], images: Images
) -> float:
    """Top-1 accuracy in percent of the integer network."""
    return top1_percent(structure, arrays, quantize_image(images.rgb), images.labels)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data packs")
    parser.add_argument("--output", type=Path, default=Path("build/backbone48_int8.npz"))
    parser.add_argument("--epochs", type=int, default=8, help="passes over CIFAR-10, QAT included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="200 training images, one epoch")
    return parser.parse_args()


def main() -> None:
    """Train, quantize, measure and write the backbone."""
    args = parse_arguments()
    started = time.time()
    torch.manual_seed(args.seed)
    torch.set_num_threads(THREADS)
    epochs = 1 if args.smoke else args.epochs
    cifar, tiny, cifar_test, tiny_test = (
        load_split(args.data / pack, split, limit if args.smoke else None, args.seed)
        for pack, split, limit in SPLITS
    )
    print(f"data ready after {time.time() - started:.0f} s", flush=True)
    model = build_network(tiny_classes=200)
    batches = [shuffled_batches(cifar, CIFAR_PER_BATCH), shuffled_batches(tiny, TINY_PER_BATCH)]
    steps = max(2, epochs * (len(cifar.labels) // CIFAR_PER_BATCH))
    qat_steps = max(1, round(QAT_SHARE * steps))
    float_steps = steps - qat_steps
    train(model, batches, float_steps, peak_rate=FLOAT_RATE, weight_decay=WEIGHT_DECAY)
    metrics: dict[str, Any] = {
        "cifar10_test_top1_float": float_accuracy(model, cifar_test, 0),
        "tinyimagenet200_test_top1_float": float_accuracy(model, tiny_test, 1),
    }
    print(metrics, flush=True)
    rows = np.random.default_rng(args.seed).permutation(len(cifar.rgb) + len(tiny.rgb))
    calibration = np.concatenate((cifar.rgb, tiny.rgb))[rows[:CALIBRATION]]
    start_quantization(model, to_input(calibration))
    entry = {"height": SIDE, "width": SIDE, "channels": 3, "scale": INPUT_SCALE, "zero_point": 0}
    structure, arrays = export(model, "kilograd-48", entry)
    metrics["cifar10_test_top1_int8_before_qat"] = int8_accuracy(structure, arrays, cifar_test)
    train(model, batches, qat_steps, peak_rate=QAT_RATE, weight_decay=0.0)
    structure, arrays = export(model, "kilograd-48", entry)
    macs, parameters, peak_bytes = count_macs(structure)
    metrics |= {
        "cifar10_test_top1_int8": int8_accuracy(structure, arrays, cifar_test),
        "tinyimagenet200_test_top1_fake_quantized": float_accuracy(model, tiny_test, 1),
        "parameters": parameters,
        "macs": macs,
        "largest_layer_in_plus_out_bytes": peak_bytes,
        "array_bytes": sum(a.nbytes for name, a in arrays.items() if "head" not in name),
        "epochs": epochs,
        "float_steps": float_steps,
        "qat_steps": qat_steps,
        "seed": args.seed,
        "smoke": args.smoke,
        "wall_seconds": round(time.time() - started),
        "torch": torch.__version__,
        "recipe": (
            f"{epochs} epochs over CIFAR-10 (JPEG copy), each batch {CIFAR_PER_BATCH} CIFAR-10 and "
            f"{TINY_PER_BATCH} Tiny-ImageNet images at 48x48 with one head per data set; "
            f"{FLOAT_PART}, random zoom, shift, mirror and colour; "
            f"{quantized_part(QAT_SHARE, QAT_RATE)}"
        ),
    }
    print(metrics, flush=True)
    save_network(args.output, structure, arrays, metrics)


if __name__ == "__main__":
    main()
