"""MobileNetV2 for images of 32×32 pixels, as somebody would write it in PyTorch."""

from __future__ import annotations

from torch import Tensor, nn

#: Of all blocks: how far they expand, channels, how many there are, stride of the first.
#: Sandler et al., "MobileNetV2", table 2, without the strides of the first layer and of the last
#: stage that has one: images are a seventh as wide as there.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 1),
    (6, 320, 1, 1),
)
_STEM, _LAST = 32, 1280
#: Channels come in multiples of this, and lose no more than a tenth by it.
_DIVISOR, _LEAST = 8, 0.9


def _channels(count: float) -> int:
    rounded = max(_DIVISOR, int(count + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return rounded + _DIVISOR if rounded < _LEAST * count else rounded


class _Unit(nn.Sequential):
    """A convolution, batch normalization, and mostly ReLU6."""

    def __init__(
        self,
        given: int,
        made: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        is_linear: bool = False,
    ) -> None:
        convolution = nn.Conv2d(given, made, kernel, stride, kernel // 2, groups=groups, bias=False)
        activation = [] if is_linear else [nn.ReLU6(inplace=True)]
        super().__init__(convolution, nn.BatchNorm2d(made), *activation)


class _Block(nn.Module):
    """An inverted residual with a linear bottleneck."""

    def __init__(self, given: int, made: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = given * expansion
        first = [] if expansion == 1 else [_Unit(given, inner)]
        self.layers = nn.Sequential(
            *first,
            _Unit(inner, inner, kernel=3, stride=stride, groups=inner),
            _Unit(inner, made, is_linear=True),
        )
        self.is_residual = stride == 1 and given == made

    def forward(self, x: Tensor) -> Tensor:
        """[N, given, H, W] to [N, made, H / stride, W / stride]."""
        y: Tensor = self.layers(x)
        return x + y if self.is_residual else y


class MobileNetV2(nn.Module):
    """The whole network.

    Args:
        width: factor of all channels but those of the last convolution.
        classes: how many.
    """

    def __init__(self, width: float, classes: int) -> None:
        super().__init__()
        channels = _channels(_STEM * width)
        layers: list[nn.Module] = [_Unit(3, channels, kernel=3)]
        for expansion, wanted, count, first_stride in _STAGES:
            for place in range(count):
                made = _channels(wanted * width)
                stride = first_stride if place == 0 else 1
                layers.append(_Block(channels, made, expansion, stride))
                channels = made
        layers.append(_Unit(channels, _LAST))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(_LAST, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, 3, 32, 32] to logits [N, classes]."""
        y: Tensor = self.features(x)
        logits: Tensor = self.classifier(y.mean(dim=(2, 3)))
        return logits
