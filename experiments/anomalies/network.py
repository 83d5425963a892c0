"""Makes the network that is adapted: an autoencoder of a fan's spectra, trained in PyTorch.

    python -m experiments.anomalies.network     rewrites experiments/anomalies/fan.onnx

It is trained in float32 on 900 normal spectra of one place, and then quantized by `kilograd
quantize`. PyTorch and the extra `kilograd[quantize]` are needed.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.anomalies import FACTORY, NETWORK
from experiments.anomalies.spectra import Statistics, read_place, write_pack
from experiments.common.paths import data_file, require_shared

#: Numbers of a sample, of each layer's result, and of the sample that is made again.
_WIDTHS = (64, 32, 8, 32, 64)
_EPOCHS, _BATCH, _RATE = 300, 32, 1e-3
_SPECTRA = 900


def trained(samples: NDArray[np.float64]) -> Any:
    """A module that makes samples [n, 64] again."""
    torch: Any = importlib.import_module("torch")
    torch.manual_seed(0)
    layers: list[Any] = []
    for given, made in pairwise(_WIDTHS):
        layers += [torch.nn.Linear(given, made), torch.nn.ReLU()]
    module = torch.nn.Sequential(*layers[:-1])
    x = torch.tensor(samples, dtype=torch.float32)
    optimizer = torch.optim.Adam(module.parameters(), _RATE)
    for _ in range(_EPOCHS):
        for batch in torch.randperm(len(x)).split(_BATCH):
            optimizer.zero_grad()
            loss = torch.square(module(x[batch]) - x[batch]).mean()
            loss.backward()
            optimizer.step()
    return module.eval()


def main() -> None:
    """Train, export, quantize."""
    require_shared()
    torch: Any = importlib.import_module("torch")
    place = read_place(data_file(FACTORY))
    learned = place.first(_SPECTRA)
    statistics = Statistics.of(learned)
    module = trained(statistics.standardized(learned))
    with tempfile.TemporaryDirectory() as folder:
        exported, pack = Path(folder) / "fan.onnx", Path(folder) / "factory.npz"
        torch.onnx.export(module, (torch.zeros(1, _WIDTHS[0]),), str(exported), dynamo=True)
        write_pack(pack, learned, place, statistics)
        names = (str(exported), "--calibration", str(pack), "-o", str(NETWORK))
        subprocess.run([sys.executable, "-m", "kilograd", "quantize", *names], check=True)


if __name__ == "__main__":
    main()
