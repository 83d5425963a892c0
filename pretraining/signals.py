"""What the pretraining of networks for signals shares: from batches to a file with its figures."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pretraining.int8_network import count_macs, save_network, top1_percent
from pretraining.qat import (
    Batches,
    QuantizedNetwork,
    export,
    start_quantization,
    top1_float,
    train,
)
from pretraining.recipe import CALIBRATION, FLOAT_RATE, WEIGHT_DECAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kilograd.features import Features

#: Highest rate of the part with fake quantization, and its share of all steps.
QAT_RATE, QAT_SHARE = 3e-4, 0.2


@dataclass(frozen=True)
class Split:
    """Samples that accuracy is counted on: `maps` int8 `[N, H, W, C]`, `labels` int64 `[N]`."""

    maps: NDArray[np.int8]
    labels: NDArray[np.int64]


def input_entry(features: Features, scale: float, zero_point: int) -> dict[str, Any]:
    """What the model file says of the network's input."""
    height, width, channels = features.shape
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "scale": scale,
        "zero_point": zero_point,
        "features": features.as_dict(),
    }


def to_input(maps: NDArray[np.int8], entry: dict[str, Any]) -> Tensor:
    """Real values `[N, C, H, W]` of int8 maps."""
    centred = torch.from_numpy(maps).permute(0, 3, 1, 2).float() - entry["zero_point"]
    return centred * entry["scale"]


def pretrain(
    name: str,
    model: QuantizedNetwork,
    sources: Sequence[Batches],
    steps: int,
    entry: dict[str, Any],
    splits: dict[str, Split],
    class_names: Sequence[str],
) -> tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, Any]]:
    """Train in float, then with fake quantization, and count.

    Args:
        name: of the network.
        model: untrained; its first head is kept.
        sources: endless batches, one a head.
        steps: of both parts together.
        entry: as `input_entry`.
        splits: by name.
        class_names: of the first head.

    Returns:
        The structure and the arrays of the file, and its metrics.
    """
    qat_steps = max(1, round(QAT_SHARE * steps))
    train(model, sources, steps - qat_steps, peak_rate=FLOAT_RATE, weight_decay=WEIGHT_DECAY)
    metrics: dict[str, Any] = {
        f"{part}_top1_float": top1_float(model, to_input(split.maps, entry), split.labels)
        for part, split in splits.items()
    }
    print(metrics, flush=True)
    calibration = [next(sources[0])[0]]
    while sum(map(len, calibration)) < CALIBRATION:
        calibration.append(next(sources[0])[0])
    start_quantization(model, torch.cat(calibration))
    train(model, sources, qat_steps, peak_rate=QAT_RATE, weight_decay=0.0)
    structure, arrays = export(model, name, entry)
    structure["classes"] = list(class_names)
    macs, parameters, peak_bytes = count_macs(structure)
    metrics |= {
        f"{part}_top1_int8": top1_percent(structure, arrays, split.maps, split.labels)
        for part, split in splits.items()
    }
    metrics |= {
        "parameters": parameters,
        "macs": macs,
        "largest_layer_in_plus_out_bytes": peak_bytes,
        "array_bytes": sum(a.nbytes for key, a in arrays.items() if "head" not in key),
        "float_steps": steps - qat_steps,
        "qat_steps": qat_steps,
    }
    return structure, arrays, metrics


def parser_for(description: str, name: str, epochs: int) -> argparse.ArgumentParser:
    """The options that the pretraining of signals has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data packs")
    parser.add_argument("--output", type=Path, default=Path(f"build/{name}.npz"))
    parser.add_argument("--epochs", type=int, default=epochs, help="passes, QAT included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="few samples, two epochs")
    return parser


def start(args: argparse.Namespace) -> float:
    """Seed PyTorch, keep it to one thread, and return the time."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    return time.time()


def save(
    args: argparse.Namespace,
    result: tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, Any]],
    *,
    started: float,
    recipe: str,
) -> None:
    """Write the file with what was asked for and what was measured."""
    structure, arrays, metrics = result
    metrics |= {
        "seed": args.seed,
        "smoke": args.smoke,
        "wall_seconds": round(time.time() - started),
        "torch": torch.__version__,
        "recipe": recipe,
    }
    print(metrics, flush=True)
    save_network(args.output, structure, arrays, metrics)
