"""The float32 baseline: a graph's network in PyTorch, trained as a scheme says.

What kilograd's integers are compared with: real-valued weights, activations and gradients in
float32, nothing rounded. What a network's int8 results cannot exceed stays clamped, since those
clamps are its ReLUs. Needs PyTorch (``pip install 'kilograd[baselines]'``); nothing else does.
"""
# PyTorch need not be installed where types are checked; without it nothing strict can be said.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kilograd.data import Dataset, Samples
from kilograd.errors import ModelError, UserError
from kilograd.frontend.open import load_model
from kilograd.ir import Graph, Node, TensorType, Value
from kilograd.ops import REGISTRY
from kilograd.ops.common.layers import largest_channels
from kilograd.scheme import Scheme, load_scheme
from kilograd.training.loop import TrainingOptions

try:
    import torch
    import torch.nn.functional as F  # noqa: N812 - as everyone calls it
    from torch import Tensor, nn
except ImportError as error:
    raise UserError(
        f"the float32 baseline needs PyTorch: {error}", hint="pip install 'kilograd[baselines]'"
    ) from error

#: Learning rate that a run starts from unless it is told another: experiments/accuracy/rates.py.
DEFAULT_RATE = 0.01

#: Share of a cosine schedule's steps that the rate rises over, as in kilograd.
_WARM_UP = 0.05

#: A weight's axes in PyTorch's order (outputs first), by operator.
_WEIGHT_ORDER = {
    "conv": (0, 3, 1, 2),
    "depthwise": (2, 0, 1),
    "spaced_conv": (0, 3, 1, 2),
    "spaced_depthwise": (2, 0, 1),
    "pointwise": (0, 1),
    "dense": (0, 1),
}

_DEPTHWISE_AXES = len(_WEIGHT_ORDER["depthwise"])

#: Samples of one call where nothing is trained.
_CHUNK = 125


@dataclass(frozen=True)
class Trained:
    """How a trained tensor is part of a layer's parameter.

    Attributes:
        scale: float32, real value of one step of the quantized tensor; broadcasts to it.
        axis: along which ``channels`` count.
        channels: indices of the trained channels; None for all of them.
    """

    scale: Tensor
    axis: int = 0
    channels: Tensor | None = None

    def part(self, whole: Tensor) -> Tensor:
        """The trained channels of a whole parameter."""
        return whole if self.channels is None else whole.index_select(self.axis, self.channels)


class Float32Network(nn.Module):
    """A forward graph in real numbers. Its parameters are what the scheme trains.

    Activations are float32 [n, H, W, C]: PyTorch's channels-last layout, in which the depthwise
    convolutions of this version run several times faster, and 1×1 convolutions are products of
    matrices.

    Args:
        graph: a forward graph, as ``load_model`` makes it; the logits are its first output.
        scheme: what is trained.

    Attributes:
        cut: number of leading nodes that read nothing trained: the frozen prefix.
        kept: names of the values that the prefix hands on.
        trained: ``layer.bias`` or ``layer.weight`` -> how it is trained, in forward order.

    Raises:
        ModelError: for an operator without a float32 counterpart here.
    """

    def __init__(self, graph: Graph, scheme: Scheme) -> None:
        super().__init__()
        self._graph = graph
        self.trained: dict[str, Trained] = {}
        self._frozen: dict[str, Tensor] = {}
        self._stored = nn.ParameterDict()
        for node in graph.nodes:
            self._add(node, scheme)
        reads_trained = [bool(self.trained.keys() & set(node.inputs)) for node in graph.nodes]
        self.cut = reads_trained.index(True) if any(reads_trained) else len(graph.nodes)
        made = {graph.inputs[0].name, *(node.outputs[0] for node in graph.nodes[: self.cut])}
        read = [name for node in graph.nodes[self.cut :] for name in node.inputs]
        read += graph.outputs if graph.outputs[0] in made else ()
        self.kept = tuple(dict.fromkeys(name for name in read if name in made))

    def parameter(self, name: str) -> nn.Parameter:
        """A trained tensor, such as ``head.weight``; of a partly trained one the trained part."""
        return self._stored[name.replace(".", "/")]

    def prefix(self, inputs: NDArray[np.int8]) -> tuple[Tensor, ...]:
        """What the frozen prefix makes of samples.

        Args:
            inputs: int8 [n, H, W, C].

        Returns:
            The values that ``kept`` names, [n, …]; the input itself stays int8.
        """
        chunks: list[list[Tensor]] = []
        with torch.no_grad():
            for start in range(0, len(inputs), _CHUNK):
                samples = torch.from_numpy(np.array(inputs[start : start + _CHUNK]))
                values = self._run({self._graph.inputs[0].name: samples}, 0, self.cut)
                chunks.append([values[name] for name in self.kept])
        return tuple(torch.cat(parts) for parts in zip(*chunks, strict=True))

    def forward(self, *kept: Tensor) -> Tensor:
        """Logits [n, classes] from what ``prefix`` made."""
        values = self._run(dict(zip(self.kept, kept, strict=True)), self.cut)
        return values[self._graph.outputs[0]].flatten(1)

    def _run(
        self, values: dict[str, Tensor], start: int, end: int | None = None
    ) -> dict[str, Tensor]:
        for node in self._graph.nodes[start:end]:
            inputs = [
                self._real(name, values[name]) for name in node.inputs if name not in self._frozen
            ]
            values[node.outputs[0]] = self._compute(node, inputs)
        return values

    def _real(self, name: str, value: Tensor) -> Tensor:
        """Samples, which are int8, become real; everything else is."""
        if value.dtype is not torch.int8:
            return value
        type_ = self._graph.type_of(name)
        return (value.float() - type_.zero_point) * type_.scale

    def _compute(self, node: Node, inputs: Sequence[Tensor]) -> Tensor:
        x = inputs[0]
        type_ = self._graph.type_of(node.outputs[0])
        match node.operator:
            case "pointwise":
                return self.clamp(F.linear(x, *self._layer(node)), type_)
            case "conv" | "depthwise" | "spaced_conv" | "spaced_depthwise":
                return self.clamp(self._slide(node, x), type_)
            case "add":
                return self.clamp(x + inputs[1], type_)
            case "average_pool":
                return self.round_mean(x.mean((1, 2), keepdim=True), type_)
            case _:  # dense: others are refused at the start
                return F.linear(x, *self._layer(node))

    def _layer(self, node: Node) -> tuple[Tensor, Tensor]:
        """A layer's weight and bias."""
        reads = REGISTRY[node.operator].inputs_of(node)
        return self.whole(reads.weight), self.whole(reads.bias)

    def _slide(self, node: Node, x: Tensor) -> Tensor:
        window = node.attributes.window
        weight, bias = self._layer(node)
        padding: tuple[int, ...] = (window.top, window.left)
        if padding != (window.bottom, window.right):
            x = F.pad(x, (0, 0, window.left, window.right, window.top, window.bottom))
            padding = (0, 0)
        groups = x.shape[3] // weight.shape[1]
        y = F.conv2d(
            x.permute(0, 3, 1, 2), weight, None, window.strides, padding, window.dilations, groups
        )
        # A bias inside would have oneDNN compute the weight's gradient with that of the bias.
        return y.permute(0, 2, 3, 1) + bias

    def clamp(self, y: Tensor, type_: TensorType) -> Tensor:
        """What int8 can hold; the gradient passes strictly inside."""
        low, high = (type_.scale * (q - type_.zero_point) for q in (-128, 127))
        return F.hardtanh(y, low, high)

    def round_mean(self, y: Tensor, type_: TensorType) -> Tensor:
        """Where a subclass may round the pool's result."""
        del type_
        return y

    def stored(self, trained: Trained, real: Tensor) -> Tensor:
        """What is kept of a trained tensor, here its real value."""
        del trained
        return real.clone()

    def real(self, trained: Trained, stored: Tensor) -> Tensor:
        """The real value of a trained tensor as it is kept."""
        del trained
        return stored

    def whole(self, name: str) -> Tensor:
        """A layer's bias or weight."""
        if name not in self.trained:
            return self._frozen[name]
        trained = self.trained[name]
        part = self.real(trained, self.parameter(name))
        if trained.channels is None:
            return part
        return self._frozen[name].index_copy(trained.axis, trained.channels, part)

    def _add(self, node: Node, scheme: Scheme) -> None:
        if node.operator not in (*_WEIGHT_ORDER, "add", "average_pool"):
            raise ModelError(f"layer {node.layer}: {node.operator} has no float32 counterpart")
        if node.operator not in _WEIGHT_ORDER:
            return
        reads = REGISTRY[node.operator].inputs_of(node)
        self._add_parameter(reads.bias, (0,), share=float(node.layer in scheme.biases))
        order = _WEIGHT_ORDER[node.operator]
        self._add_parameter(reads.weight, order, share=scheme.weights.get(node.layer, 0.0))

    def _add_parameter(self, name: str, order: tuple[int, ...], *, share: float) -> None:
        value = self._graph.values[name]
        depthwise = value.array.ndim == _DEPTHWISE_AXES
        scale = torch.tensor(value.type.scales, dtype=torch.float64)
        scale = scale.view(-1, *[1] * (len(order) - 1 + depthwise)).float()
        whole = (_torch_layout(value, order) * scale.double()).float()
        self._frozen[value.name] = whole
        if not share:
            return
        trained = Trained(scale)
        if share < 1:
            last = value.array.ndim - 1
            channels = torch.tensor(largest_channels(value.array, last, share))
            axis = order.index(last)
            trained = Trained(scale[channels] if depthwise else scale, axis, channels)
        self.trained[value.name] = trained
        self._stored[name.replace(".", "/")] = nn.Parameter(
            self.stored(trained, trained.part(whole))
        )


def _torch_layout(value: Value, order: tuple[int, ...]) -> Tensor:
    """A constant's integers in double precision, its axes as PyTorch has them."""
    array = np.ascontiguousarray(np.transpose(value.array, order))
    if value.array.ndim == _DEPTHWISE_AXES:  # one input channel a group
        array = array[:, None]
    return torch.from_numpy(array.astype(np.float64))


@dataclass(frozen=True)
class Kept:
    """Samples behind the frozen prefix.

    Attributes:
        values: as ``Float32Network.prefix`` returns them.
        labels: int64 [n].
    """

    values: tuple[Tensor, ...]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, network: Float32Network, samples: Samples) -> Kept:
        """Runs samples through a network's frozen prefix."""
        labels = torch.from_numpy(samples.labels.astype(np.int64))
        return cls(network.prefix(samples.inputs), labels)

    def batch(self, indices: slice | Tensor) -> tuple[list[Tensor], Tensor]:
        """Some samples' values and labels."""
        return [value[indices] for value in self.values], self.labels[indices]


def accuracy(network: Float32Network, kept: Kept) -> float:
    """Share of samples whose largest logit is their class's, in [0, 1]."""
    right = 0
    with torch.no_grad():
        for start in range(0, len(kept), _CHUNK):
            values, labels = kept.batch(slice(start, start + _CHUNK))
            right += int((network(*values).argmax(1) == labels).sum())
    return right / max(1, len(kept))


def rate_at(options: TrainingOptions, step: int, steps: int) -> float:
    """The rate of one step of a run of ``steps``: kilograd's schedule, in floating point."""
    if options.schedule == "constant":
        return options.rate
    warm_up = max(1, int(_WARM_UP * steps))
    if step < warm_up:
        return options.rate * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    return options.rate * (1 + math.cos(math.pi * progress)) / 2


def fit(
    network: Float32Network,
    kept: Kept,
    options: TrainingOptions,
    optimizer: torch.optim.Optimizer,
    batch: int,
    observe: Callable[[int], bool] | None = None,
) -> None:
    """Train in place, with the order of samples and the schedule of ``kilograd.training.loop``.

    Args:
        network: its parameters are trained.
        kept: the training samples behind its prefix.
        options: epochs, rate, schedule and seed.
        optimizer: of the network's parameters.
        batch: samples a step. The loss is their summed cross-entropy over ``batch``, also where
            an epoch's last step has fewer: every sample counts alike.
        observe: called with the step's index when its gradients are there; where it returns
            False, training ends.
    """
    generator = np.random.Generator(np.random.PCG64(options.seed))
    starts = range(0, len(kept), batch)
    steps = options.epochs * len(starts)
    step = 0
    for _ in range(options.epochs):
        order = torch.from_numpy(generator.permutation(len(kept)))
        for start in starts:
            values, labels = kept.batch(order[start : start + batch])
            optimizer.zero_grad()
            loss = F.cross_entropy(network(*values), labels, reduction="sum") / batch
            loss.backward()
            if observe is not None and not observe(step):
                return
            for group in optimizer.param_groups:
                group["lr"] = rate_at(options, step, steps)
            optimizer.step()
            step += 1


#: Optimizers by name. ``sgd`` is the baseline; the others only show what more memory would buy.
OPTIMIZERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.0),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.0, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.0),
}


@lru_cache(maxsize=2)
def _kept(model_path: str, dataset: Dataset, scheme_name: str) -> tuple[Kept, Kept]:
    """Training and test samples behind the prefix: the same for all seeds and rates."""
    network = open_network(model_path, scheme_name, len(dataset.class_names))
    return Kept.of(network, dataset.train), Kept.of(network, dataset.test)


def open_network(model_path: str, scheme_name: str, classes: int | None) -> Float32Network:
    """The network of a model file; its head is fresh and zero unless ``classes`` is None."""
    graph = load_model(model_path, classes)
    return Float32Network(graph, load_scheme(scheme_name, graph))


def train_float32(
    model_path: str,
    dataset: Dataset,
    scheme_name: str,
    *,
    epochs: int,
    rate: float = DEFAULT_RATE,
    seed: int,
    batch: int = 8,
    schedule: str = "cosine",
    optimizer: str = "sgd",
) -> float:
    """Train from a checkpoint with a fresh head; the test accuracy at the end, in [0, 1].

    The seed decides the order of samples and nothing else. The same on every run of a machine:
    PyTorch is told to use one thread.

    Args:
        model_path: as ``load_model`` takes it.
        dataset: int8 samples for this model.
        scheme_name: as ``load_scheme`` takes it.
        epochs: passes over the training samples.
        rate: learning rate at its highest, for the mean loss of a batch.
        seed: of the order.
        batch: samples a step.
        schedule: ``cosine`` (5% warm-up, then down to zero) or ``constant``.
        optimizer: ``sgd`` (no momentum, no weight decay), ``momentum`` or ``adam``.
    """
    torch.set_num_threads(1)
    train, test = _kept(model_path, dataset, scheme_name)
    network = open_network(model_path, scheme_name, len(dataset.class_names))
    options = TrainingOptions(epochs=epochs, rate=rate, schedule=schedule, seed=seed)
    fit(network, train, options, OPTIMIZERS[optimizer](list(network.parameters())), batch)
    return accuracy(network, test)
