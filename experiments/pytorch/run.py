"""Trains a network in PyTorch, reads it, and writes experiments/pytorch/results.json.

    python -m experiments.pytorch.run [train] [read]

MobileNetV2 of width 0.35 learns CIFAR-10 in float32, is quantized by onnxruntime through
`kilograd.from_torch`, and classifies the 10,000 test images in PyTorch, in onnxruntime and in
kilograd. Training takes about an hour on two cores, the rest five minutes; the weights are kept in
kilograd's cache after each cycle. onnxruntime is asked twice: with all of its optimizations, and
without, which is what the file says; on processors without VNNI its fused int8 convolutions
saturate at 16 bits. Nothing is chosen by the test images. Needs ../shared, PyTorch 2.13.0,
onnxscript and `pip install --editable '.[quantize]'`.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from experiments.common.ledgers import Ledger, write_ledger
from experiments.common.packs import pack_path
from experiments.common.parts import Part, run_parts
from experiments.common.programs import open_cached
from experiments.pytorch import LEDGER
from experiments.pytorch.network import MobileNetV2
from experiments.pytorch.training import CLASSES, CYCLES, SEED, WIDTH, accuracy, train_cycle
from kilograd import from_torch
from kilograd.compiler import compile_model
from kilograd.data import Dataset, InputSpec, load_dataset
from kilograd.files import cache_directory
from kilograd.scheme import load_scheme
from kilograd.targets import get_target

#: Of the training images, those that the ranges of maps are taken from.
_CALIBRATION = 256
#: The int8 of a pixel p is p − 128.
_PIXELS = InputSpec(32, 32, 3, 1 / 127.5, -1)


def _weights(cycle: int) -> Path:
    return cache_directory() / "experiments" / f"mobilenetv2-0.35-cifar10-{cycle}.pt"


def _images(inputs: NDArray[np.int8]) -> NDArray[np.float32]:
    """As the network reads them: [n, 3, 32, 32] in [-1, 1]."""
    real = (inputs.astype(np.float32) + 128) / 127.5 - 1
    return np.ascontiguousarray(np.moveaxis(real, -1, 1))


def _data() -> Dataset:
    return load_dataset(pack_path("cifar10"), _PIXELS)


def train_network(ledger: Ledger, only: str) -> None:
    """All training images, and nothing else."""
    del ledger, only
    samples = _data().train
    torch.manual_seed(SEED)
    network = MobileNetV2(WIDTH, CLASSES)
    for cycle in range(len(CYCLES)):
        kept = _weights(cycle)
        if kept.exists():
            network.load_state_dict(torch.load(kept))
            continue
        train_cycle(network, cycle, _images(samples.inputs), samples.labels)
        kept.parent.mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), kept)


def read_network(ledger: Ledger, only: str) -> None:
    """In float32, quantized, and compiled."""
    del only
    dataset = _data()
    network = MobileNetV2(WIDTH, CLASSES)
    network.load_state_dict(torch.load(_weights(len(CYCLES) - 1)))
    network.eval()
    test, labels = _images(dataset.test.inputs), dataset.test.labels
    calibration = _images(dataset.train.inputs[:_CALIBRATION])
    with TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        graph = from_torch(network, calibration, pixel_range=(-1.0, 1.0), save=file)
        optimized, plain = (_run_onnx(file, test, is_optimized=o) for o in (True, False))
        size = file.stat().st_size
    program = compile_model(graph, load_scheme("head", graph), get_target("host"))
    with open_cached(program) as device:
        device.initialize(0)
        own = np.stack([device.predict(sample) for sample in dataset.test.inputs])
    answers = {
        "onnxruntime": plain.argmax(1),
        "onnxruntime_optimized": optimized.argmax(1),
        "kilograd": own.argmax(1),
    }
    ledger["mobilenetv2-0.35 | cifar10"] = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "epochs": sum(epochs for epochs, _ in CYCLES),
        "test_images": len(labels),
        "onnx_bytes": size,
        "accuracy_float32": round(accuracy(network, test, labels), 6),
        **{
            f"accuracy_{name}": round(float((found == labels).mean()), 6)
            for name, found in answers.items()
        },
        "same_answers": round(float((answers["onnxruntime"] == answers["kilograd"]).mean()), 6),
    }
    write_ledger(LEDGER, ledger)


def _run_onnx(
    file: Path, inputs: NDArray[np.float32], *, is_optimized: bool
) -> NDArray[np.float32]:
    """Logits, as onnxruntime has them; the file's batch is 1."""
    options = onnxruntime.SessionOptions()
    if not is_optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return np.concatenate([session.run(None, {given.name: x[None]})[0] for x in inputs])


PARTS: dict[str, Part] = {"train": train_network, "read": read_network}


if __name__ == "__main__":
    run_parts(__doc__ or "", LEDGER, PARTS)
