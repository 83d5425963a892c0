"""Reproduces what quantization-aware scaling is for: experiments/qas/results.json.

    python -m experiments.qas.run [data set …]

The setting of "On-Device Training Under 256KB Memory" (Lin et al., NeurIPS 2022, section 2.1), on
real data and in PyTorch: an int8 graph whose weights and biases are trained in units of one
quantization step. Every method has its own best rate of a grid; the same data, order and schedule.
Results are written after every run, and runs that are there are skipped. Needs torch
(``pip install 'kilograd[baselines]'``).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.common.ledgers import Ledger, chosen_parts, read_ledger, write_ledger
from experiments.common.packs import PACKS, load_pack, pack_path
from experiments.common.paths import checkpoint
from experiments.qas import LEDGER
from kilograd.baselines.float32 import Float32Network, Kept, Trained, accuracy, fit
from kilograd.data import Dataset
from kilograd.frontend.open import load_model
from kilograd.ir import Graph, TensorType
from kilograd.scheme import Scheme, load_scheme
from kilograd.training.loop import TrainingOptions

MODEL, SCHEME = "mcunet-5fps", "mcunet-5fps/99kb"
DATA = ("cifar10", "flowers17")
BATCH = 8
SEEDS = (0, 1, 2)
#: Norms are averaged over the first so many steps.
OBSERVED_STEPS = 100
_LARGEST = 127


class _FakeQuantize(torch.autograd.Function):
    """Round to the grid, clamp to int8; the gradient passes strictly inside the clamp."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, scale: float, low: float, high: float) -> Tensor:
        q = torch.round(y / scale).clamp_(low, high)
        ctx.save_for_backward((q > low) & (q < high))
        return q.mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (inside,) = ctx.saved_tensors
        return gradients[0] * inside, None, None, None


class QuantizedNetwork(Float32Network):
    """The int8 graph. Its parameters are weights and biases in units of their scale.

    They are kept in float32 and rounded where they are used, with the gradient of no rounding;
    so are activations. The gradient of a parameter is thus that of the quantized one.
    """

    def stored(self, trained: Trained, real: Tensor) -> Tensor:
        """The integers."""
        return torch.round(real / trained.scale)

    def real(self, trained: Trained, stored: Tensor) -> Tensor:
        """Scale times the rounded value."""
        return trained.scale * (stored + (stored.round() - stored).detach())

    def clamp(self, y: Tensor, type_: TensorType) -> Tensor:
        """What int8 can hold."""
        low, high = (q - type_.zero_point for q in (-128, 127))
        return _FakeQuantize.apply(y, type_.scale, low, high)

    def round_mean(self, y: Tensor, type_: TensorType) -> Tensor:
        """To the grid."""
        return y + (torch.round(y / type_.scale) * type_.scale - y).detach()


class Lars(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling (You, Gitman, Ginsburg, arXiv:1708.03888, algorithm 1).

    Every tensor has a local rate, trust · ‖w‖ / ‖g‖; 1 where either is zero. No weight decay.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], momentum: float = 0.9, trust: float = 0.001
    ) -> None:
        super().__init__(parameters, {"lr": 0.0, "momentum": momentum, "trust": trust})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Step: v ← m v + rate · local rate · g; w ← w − v."""
        del closure
        for group in self.param_groups:
            for w in group["params"]:
                norms = float(w.norm()), float(w.grad.norm())
                local = group["trust"] * norms[0] / norms[1] if min(norms) else 1.0
                v = self.state[w].setdefault("v", torch.zeros_like(w))
                v.mul_(group["momentum"]).add_(w.grad, alpha=group["lr"] * local)
                w.sub_(v)


@dataclass(frozen=True)
class Method:
    """A way of training.

    Attributes:
        label: for tables.
        network: quantized or not.
        optimizer: made of the parameters.
        rates: the grid, in steps of two.
        scaled: whether gradients are scaled by scale^−2 (QAS).
    """

    label: str
    network: type[Float32Network]
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    rates: tuple[float, ...]
    scaled: bool = False


def grid(lowest: float, count: int) -> tuple[float, ...]:
    """Rates from the lowest, each twice the one before."""
    return tuple(lowest * 2**i for i in range(count))


def _sgd(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.0)


def _adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.0)


METHODS = {
    "fp32-sgd": Method("float32, SGD", Float32Network, _sgd, grid(0.002, 5)),
    "int8-sgd": Method("int8, SGD", QuantizedNetwork, _sgd, grid(512, 6)),
    "int8-adam": Method("int8, Adam", QuantizedNetwork, _adam, grid(0.25, 5)),
    "int8-lars": Method("int8, LARS", QuantizedNetwork, Lars, grid(0.25, 6)),
    "int8-sgd-qas": Method("int8, SGD with QAS", QuantizedNetwork, _sgd, grid(0.002, 5), True),
}


def open_network(kind: type[Float32Network], classes: int, seed: int) -> Float32Network:
    """MCUNet with a head of small uniform random weights and biases, the same for every method.

    LARS cannot train kilograd's own fresh head, which is zero. The bound is a quarter of
    PyTorch's default for such a layer, with which every method learns less.
    """
    graph: Graph = load_model(checkpoint(MODEL), classes)
    scheme: Scheme = load_scheme(SCHEME, graph)
    network = kind(graph, scheme)
    generator = np.random.Generator(np.random.PCG64(seed))
    bound = 0.25 / math.sqrt(graph.values["head.weight"].type.shape[1])
    with torch.no_grad():
        for name in ("head.weight", "head.bias"):
            trained, parameter = network.trained[name], network.parameter(name)
            drawn = generator.uniform(-bound, bound, tuple(parameter.shape))
            steps = torch.round(torch.from_numpy(drawn).float() / trained.scale)
            parameter.copy_(network.stored(trained, steps * trained.scale))
    return network


def scale_gradients(network: Float32Network) -> None:
    """QAS: the gradient of a quantized tensor times its scale^−2."""
    for name, trained in network.trained.items():
        gradient = network.parameter(name).grad
        assert gradient is not None
        gradient.div_(trained.scale**2)


def saturate(network: Float32Network) -> None:
    """Trained weights stay what int8 can hold."""
    with torch.no_grad():
        for name in network.trained:
            if name.endswith(".weight"):
                network.parameter(name).clamp_(-_LARGEST, _LARGEST)


class Norms:
    """Collects log10(‖W‖ / ‖G‖) of every trained tensor over steps.

    Args:
        network: read when ``observe`` is called.
        scaled: whether the gradient is taken times scale^−2.
    """

    def __init__(self, network: Float32Network, *, scaled: bool) -> None:
        self._network = network
        self._scaled = scaled
        self._found: dict[str, list[float]] = {name: [] for name in network.trained}

    def observe(self) -> None:
        """Note the ratios of the gradients that are there."""
        for name, found in self._found.items():
            parameter = self._network.parameter(name)
            gradient = parameter.grad
            assert gradient is not None
            if self._scaled:
                gradient = gradient / self._network.trained[name].scale ** 2
            ratio = float(parameter.detach().norm() / gradient.norm())
            if math.isfinite(ratio) and ratio > 0:
                found.append(math.log10(ratio))

    def means(self) -> dict[str, float]:
        """Means over what was observed, for each tensor."""
        return {name: round(float(np.mean(x)), 4) for name, x in self._found.items()}


class Experiment:
    """One data set; the frozen prefix is kept for each kind of network."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._pack = PACKS[name]
        self.dataset: Dataset = load_pack(pack_path(name), checkpoint(MODEL))
        self._kept: dict[type[Float32Network], tuple[Kept, Kept]] = {}

    def train(self, method: Method, rate: float, seed: int) -> float:
        """Test accuracy after training."""
        network = self._open(method, seed)
        self._fit(network, method, rate, seed)
        return accuracy(network, self._samples(network)[1])

    def norms(self, method: Method, rate: float, seed: int) -> list[dict[str, float]]:
        """What ``Norms`` finds in a run's first steps; for QAS before and after scaling."""
        network = self._open(method, seed)
        observers = [Norms(network, scaled=False)]
        observers += [Norms(network, scaled=True)] if method.scaled else []

        def observe(step: int) -> bool:
            for observer in observers:
                observer.observe()
            return step + 1 < OBSERVED_STEPS

        self._fit(network, method, rate, seed, observe)
        return [observer.means() for observer in observers]

    def _open(self, method: Method, seed: int) -> Float32Network:
        return open_network(method.network, len(self.dataset.class_names), seed)

    def _fit(
        self,
        network: Float32Network,
        method: Method,
        rate: float,
        seed: int,
        observe: Callable[[int], bool] | None = None,
    ) -> None:
        optimizer = method.optimizer(network.parameters())
        if method.scaled:
            optimizer.register_step_pre_hook(lambda *_: scale_gradients(network))
        if isinstance(network, QuantizedNetwork):
            optimizer.register_step_post_hook(lambda *_: saturate(network))
        options = TrainingOptions(epochs=self._pack.epochs, rate=rate, seed=seed)
        fit(network, self._samples(network)[0], options, optimizer, BATCH, observe)

    def _samples(self, network: Float32Network) -> tuple[Kept, Kept]:
        kind = type(network)
        if kind not in self._kept:
            parts = self.dataset.train, self.dataset.test
            train, test = (Kept.of(network, part) for part in parts)
            self._kept[kind] = train, test
        return self._kept[kind]

    def facts(self) -> dict[str, Any]:
        """What a table says about the data."""
        return {
            "file": self._pack.file,
            "epochs": self._pack.epochs,
            "train": len(self.dataset.train),
            "test": len(self.dataset.test),
            "classes": len(self.dataset.class_names),
        }


def best_rate(ledger: Ledger, data: str, method: str) -> float:
    """The rate with the highest accuracy of the first seed; the lower of equal ones."""
    rates = METHODS[method].rates
    return max(rates, key=lambda rate: (ledger["runs"][_key(data, method, rate, 0)], -rate))


def _key(data: str, method: str, rate: float, seed: int) -> str:
    return f"{data}, {method}, rate {rate:g}, seed {seed}"


def measure(name: str) -> None:
    """All runs of a data set, then the norms."""
    experiment = Experiment(name)
    ledger = read_ledger(LEDGER)
    ledger["settings"] = settings()
    ledger.setdefault("data", {})[name] = experiment.facts()
    for method, how in METHODS.items():
        for rate in how.rates:
            run(experiment, ledger, method, rate, 0)
    summary: dict[str, Any] = {}
    for method in METHODS:
        rate = best_rate(ledger, name, method)
        accuracies = [run(experiment, ledger, method, rate, seed) for seed in SEEDS]
        summary[method] = {"rate": rate, "accuracies": accuracies}
    ledger.setdefault("summary", {})[name] = summary
    ledger.setdefault("norms", {})[name] = measure_norms(experiment, ledger)
    write_ledger(LEDGER, ledger)


def run(experiment: Experiment, ledger: Ledger, method: str, rate: float, seed: int) -> float:
    """One run's accuracy, from the ledger when it is there."""
    runs = ledger.setdefault("runs", {})
    key = _key(experiment.name, method, rate, seed)
    if key not in runs:
        runs[key] = round(experiment.train(METHODS[method], rate, seed), 6)
        print(key, f"{100 * runs[key]:.1f}%", flush=True)
        write_ledger(LEDGER, ledger)
    return float(runs[key])


def measure_norms(experiment: Experiment, ledger: Ledger) -> dict[str, Any]:
    """log10(‖W‖ / ‖G‖) in float32, int8, int8 with QAS, and the tensors' names in forward order.

    The last two are of one and the same run, the one with QAS, before and after scaling.
    """
    found: list[dict[str, float]] = []
    for method in ("fp32-sgd", "int8-sgd-qas"):
        rate = best_rate(ledger, experiment.name, method)
        found += experiment.norms(METHODS[method], rate, 0)
    series = zip(("fp32", "int8", "int8 with QAS"), found, strict=True)
    return {
        "tensors": list(found[0]),
        **{name: list(ratios.values()) for name, ratios in series},
    }


def settings() -> dict[str, Any]:
    """What all runs share."""
    return {
        "model": MODEL,
        "scheme": SCHEME,
        "batch": BATCH,
        "schedule": "cosine",
        "seeds": SEEDS,
        "observed_steps": OBSERVED_STEPS,
        "torch": torch.__version__,
        "methods": {
            name: {"label": method.label, "rates": method.rates} for name, method in METHODS.items()
        },
    }


def main(chosen: list[str]) -> None:
    """The chosen data sets, or all."""
    parts = chosen_parts(chosen, DATA)
    torch.set_num_threads(1)
    for name in parts:
        measure(name)


if __name__ == "__main__":
    main(sys.argv[1:])
