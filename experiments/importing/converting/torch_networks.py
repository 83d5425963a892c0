"""Small networks in PyTorch, by name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

Shape = tuple[int, ...]

_IMAGE: Shape = (1, 3, 32, 32)
_GREY: Shape = (1, 1, 28, 28)


class Residual(nn.Module):
    """A join around layers, with an activation behind it if there is one."""

    def __init__(self, *layers: nn.Module, activation: type[nn.Module] = nn.Identity) -> None:
        super().__init__()
        self.layers, self.activation = nn.Sequential(*layers), activation()

    def forward(self, x: Tensor) -> Tensor:
        """The sum."""
        return self.activation(x + self.layers(x))


class Gate(nn.Module):
    """Squeeze-and-excite."""

    def __init__(self, channels: int, gate: type[nn.Module]) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        """A factor for each channel."""
        mean = functional.adaptive_avg_pool2d(x, 1)
        return x * self.gate(self.excite(functional.relu(self.squeeze(mean))))


class Shuffled(nn.Module):
    """A unit of ShuffleNetV2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.layers = nn.Sequential(
            nn.Conv2d(half, half, 1),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, 1, 1, groups=half),
            nn.Conv2d(half, half, 1),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Half of the channels pass, and all are mixed."""
        kept, changed = x.chunk(2, 1)
        x = torch.cat([kept, self.layers(changed)], 1)
        batch, channels, height, width = x.shape
        mixed = x.view(batch, 2, channels // 2, height, width).transpose(1, 2)
        return mixed.reshape(batch, channels, height, width)


class Causal(nn.Module):
    """A dilated convolution that reads nothing ahead."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.before = 2 * dilation
        self.layer = nn.Conv1d(inputs, outputs, 3, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Padding before the first step only."""
        return functional.relu(self.layer(functional.pad(x, (self.before, 0))))


class Last(nn.Module):
    """The last step of a sequence."""

    def forward(self, x: Tensor) -> Tensor:
        """Its channels."""
        return x[:, :, -1]


def _inverted(inputs: int, outputs: int, stride: int, act: type[nn.Module]) -> nn.Sequential:
    hidden = 3 * inputs
    return nn.Sequential(
        *(nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), act()),
        nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
        *(nn.BatchNorm2d(hidden), act()),
        *(nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
    )


def _basic(channels: int) -> Residual:
    layers = (
        *(nn.Conv2d(channels, channels, 3, 1, 1), nn.BatchNorm2d(channels), nn.ReLU()),
        *(nn.Conv2d(channels, channels, 3, 1, 1), nn.BatchNorm2d(channels)),
    )
    return Residual(*layers, activation=nn.ReLU)


def _stem(outputs: int, act: type[nn.Module]) -> tuple[nn.Module, ...]:
    return nn.Conv2d(3, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), act()


def _averaged(channels: int, classes: int = 5) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)


def _lenet(act: type[nn.Module], pool: type[nn.Module]) -> tuple[nn.Module, ...]:
    return (
        *(nn.Conv2d(1, 6, 5), act(), pool(2), nn.Conv2d(6, 8, 5), act(), pool(2)),
        *(nn.Flatten(), nn.Linear(128, 20), act(), nn.Linear(20, 10)),
    )


NETWORKS: Mapping[str, tuple[tuple[nn.Module, ...], Shape]] = {
    "MobileNetV2": (
        (
            *_stem(8, nn.ReLU6),
            Residual(_inverted(8, 8, 1, nn.ReLU6)),
            _inverted(8, 12, 2, nn.ReLU6),
            *_averaged(12),
        ),
        _IMAGE,
    ),
    "MobileNetV3": (
        (
            *_stem(8, nn.Hardswish),
            Residual(_inverted(8, 8, 1, nn.Hardswish)),
            *(Gate(8, nn.Hardsigmoid), *_averaged(8, 16), nn.Hardswish(), nn.Linear(16, 5)),
        ),
        _IMAGE,
    ),
    "EfficientNet": ((*_stem(8, nn.SiLU), Gate(8, nn.Sigmoid), *_averaged(8)), _IMAGE),
    "ResNet": (
        (*_stem(8, nn.ReLU), nn.MaxPool2d(3, 2, 1), _basic(8), _basic(8), *_averaged(8)),
        _IMAGE,
    ),
    "LeNet": (_lenet(nn.ReLU, nn.MaxPool2d), _GREY),
    "LeNet of 1998": (_lenet(nn.Tanh, nn.AvgPool2d), _GREY),
    "grouped convolution": (
        (*_stem(8, nn.ReLU), nn.Conv2d(8, 8, 3, 1, 1, groups=2), nn.ReLU(), *_averaged(8)),
        _IMAGE,
    ),
    "ShuffleNet": ((*_stem(16, nn.ReLU), Shuffled(16), *_averaged(16)), _IMAGE),
    "normalized sample": (
        (nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), *_averaged(8)),
        _IMAGE,
    ),
    "dense layers": ((nn.Linear(33, 16), nn.ReLU(), nn.Linear(16, 3)), (1, 33)),
    "sequence": (
        (
            *(nn.Conv1d(6, 8, 5), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 8, 3, padding=1)),
            *(nn.BatchNorm1d(8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()),
            nn.Linear(8, 4),
        ),
        (1, 6, 64),
    ),
    "TCN": (
        (Causal(6, 8, 1), Causal(8, 8, 2), Causal(8, 8, 4), Last(), nn.Linear(8, 5)),
        (1, 6, 32),
    ),
    "leaky ReLU": ((*_stem(8, nn.LeakyReLU), *_averaged(8)), _IMAGE),
    "softplus": ((*_stem(8, nn.Softplus), *_averaged(8)), _IMAGE),
}
"""Layers of each, and the shape of its sample."""
