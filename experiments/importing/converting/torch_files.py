"""Converts modules of PyTorch to build/converted/torch, for the part "converted".

    python -m experiments.importing.converting.torch_files

In an environment with kilograd, torch 2.13 and litert-torch 0.10, which kilograd does not need.
"""

from __future__ import annotations

from pathlib import Path

import litert_torch
import numpy as np
import torch
from ai_edge_quantizer import quantizer, recipe
from torch import nn

from experiments.importing.converting.torch_networks import NETWORKS, Shape

_FOLDER = Path("build/converted/torch")

#: What quantization is calibrated with.
_SAMPLES = 8


def _spread_statistics(module: nn.Module) -> None:
    """Give batch normalizations something to do."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, 0, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.2)


def _convert(module: nn.Module, shape: Shape, path: Path) -> None:
    _spread_statistics(module)
    rng = np.random.default_rng(0)
    real = path.with_suffix(".float32")
    litert_torch.convert(module.eval(), (torch.rand(shape),)).export(str(real))
    tool = quantizer.Quantizer(str(real))
    tool.load_quantization_recipe(recipe.static_wi8_ai8())
    samples = [{"args_0": rng.uniform(0, 1, shape).astype(np.float32)} for _ in range(_SAMPLES)]
    result = tool.quantize(tool.calibrate({"serving_default": samples}))
    path.write_bytes(result.quantized_model)
    real.unlink()


def main() -> None:
    """Write them all."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (layers, shape) in NETWORKS.items():
        torch.manual_seed(0)
        _convert(nn.Sequential(*layers), shape, _FOLDER / f"{name}.tflite")
        print(name, flush=True)


if __name__ == "__main__":
    main()
