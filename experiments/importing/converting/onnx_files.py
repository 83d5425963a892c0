"""Converts networks of timm and torchvision to build/converted/onnx, for the part "onnx".

    python -m experiments.importing.converting.onnx_files [NAME …]

In an environment with kilograd[quantize], torch 2.13, torchvision 0.28, timm 1.0 and onnxscript,
of which kilograd needs none but the first. Takes half an hour. Weights are random; batch
normalizations have the statistics of the samples that quantization is calibrated with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.importing.converting.onnx_networks import NETWORKS, SIZE, SIZES
from kilograd.quantization.quantize import float_network, quantize_network

_FOLDER = Path("build/converted/onnx")

#: What quantization is calibrated with.
_SAMPLES = 8
_CLASSES = 10


def _without_missing_operators() -> None:
    """Let torchvision be imported beside a build of PyTorch that it was not built for."""
    register = torch.library.register_fake

    def tolerant(name: str, *more: Any, **options: Any) -> Callable[[Any], Any]:
        decorate = register(name, *more, **options)

        def decorated(function: Any) -> Any:
            try:
                return decorate(function)
            except RuntimeError:  # an operator for detection
                return function

        return decorated

    torch.library.register_fake = tolerant


def _made(name: str) -> nn.Module:
    library, _, model = name.partition(": ")
    torch.manual_seed(0)
    if library == "torchvision":
        import torchvision  # noqa: PLC0415 - once its operators may be missing

        more = {"aux_logits": False} if model in {"googlenet", "inception_v3"} else {}
        return torchvision.models.get_model(model, weights=None, num_classes=_CLASSES, **more)
    import timm  # noqa: PLC0415 - likewise

    return timm.create_model(model, num_classes=_CLASSES)


def _learn_statistics(module: nn.Module, samples: torch.Tensor) -> None:
    """Give batch normalizations the statistics of what they read, and something to do."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.2)
            layer.momentum = 1.0
    module.train()
    with torch.no_grad():
        module(samples)
    module.eval()


def _convert(name: str) -> bytes:
    size = SIZES.get(name, SIZE)
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 1, (_SAMPLES, 1, 3, size, size)).astype(np.float32)
    module = _made(name)
    _learn_statistics(module, torch.from_numpy(samples[:, 0]))
    with torch.no_grad():
        example = (torch.from_numpy(samples[0]),)
        program = torch.onnx.export(module, example, dynamo=True, verbose=False)
    return quantize_network(float_network(program.model_proto, name), samples)


def main(only: list[str]) -> None:
    """Write them all, or some."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    _without_missing_operators()
    torch.set_num_threads(1)
    for name in only or NETWORKS:
        path = _FOLDER / f"{name.replace(': ', ' ')}.onnx"
        if path.exists():
            continue
        try:
            path.write_bytes(_convert(name))
            print(name, flush=True)
        except Exception as error:  # noqa: BLE001 - of PyTorch, onnxruntime and the network
            print(f"{name}: {type(error).__name__} {str(error)[:200]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
