"""Small modules of PyTorch, each with something that kilograd carries, trained a little."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

CLASSES = 4
SHAPE = (3, 16, 16)


def normalized(given, made, window, **options):
    padding = window // 2
    conv = nn.Conv2d(given, made, window, padding=padding, bias=False, **options)
    return [conv, nn.BatchNorm2d(made)]


class Block(nn.Module):
    """An inverted bottleneck with a residual."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.body = nn.Sequential(
            *normalized(channels, hidden, 1),
            nn.ReLU6(),
            *normalized(hidden, hidden, 3, groups=hidden),
            nn.ReLU6(),
            *normalized(hidden, channels, 1),
        )

    def forward(self, x):
        return x + self.body(x)


class Network(nn.Module):
    """With an average over the whole map."""

    def __init__(self, pool):
        super().__init__()
        self.stem = nn.Sequential(*normalized(3, 8, 3, stride=2), nn.ReLU6())
        self.blocks = nn.Sequential(Block(8, 16), Block(8, 16))
        self.last = nn.Conv2d(8, 16, 1)
        self.pool = pool
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x):
        return self.head(self.pool(torch.relu(self.last(self.blocks(self.stem(x))))))


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def samples(count, seed):
    """Colour and position of a bright square tell the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=count)
    inputs = rng.normal(0, 0.4, (count, *SHAPE))
    for sample, label in zip(inputs, labels, strict=True):
        sample[label % 3, 4 * (label // 2) : 4 * (label // 2) + 8, 2:12] += 1.2
    return inputs.astype(np.float32), labels


class SqueezeExcite(nn.Module):
    """As MobileNetV3 has it."""

    def __init__(self, channels, squeezed):
        super().__init__()
        self.squeeze, self.excite = (
            nn.Conv2d(channels, squeezed, 1),
            nn.Conv2d(squeezed, channels, 1),
        )

    def forward(self, x):
        means = nn.functional.adaptive_avg_pool2d(x, 1)
        return x * nn.functional.hardsigmoid(self.excite(torch.relu(self.squeeze(means))))


def mobile_network():
    """Blocks with gates, and an activation of each kind."""
    return nn.Sequential(
        *normalized(3, 8, 3, stride=2),
        nn.Hardswish(),
        *normalized(8, 16, 3),
        nn.SiLU(),
        SqueezeExcite(16, 4),
        *normalized(16, 16, 3, groups=16),
        nn.LeakyReLU(0.1),
        SqueezeExcite(16, 4),
        *normalized(16, 12, 1),
        nn.ELU(),
        *normalized(12, 12, 1),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, CLASSES),
    )


def preactivated():
    """Normalized before activations, and averaged at the end."""
    return nn.Sequential(
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.GELU(),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.SELU(),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, CLASSES, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def of_vectors():
    """With a maximum over the map, and a normalization behind it."""
    return nn.Sequential(
        *normalized(3, 8, 3, stride=2),
        nn.Mish(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.BatchNorm1d(8),
        nn.Linear(8, CLASSES),
    )


class Compared(nn.Module):
    """Maps that are compared, resized, subtracted, and repeated along frequencies or channels."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(*normalized(3, 16, 3, stride=2))
        self.small = nn.Sequential(nn.MaxPool2d(2), *normalized(8, 8, 3))
        self.rows = nn.Conv2d(8, 8, (1, 3), padding=(0, 1), groups=8)
        self.gate = nn.Conv2d(8, 1, 1)
        self.squeeze = nn.Linear(8, 8)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = torch.max(*self.stem(x).chunk(2, 1))  # as in LightCNN
        x = x - nn.functional.interpolate(self.small(x), scale_factor=2)
        x = nn.functional.softplus(x + self.rows(x.mean(2, keepdim=True)))  # as in BC-ResNet
        x = x * torch.sigmoid(self.gate(x))
        factors = torch.sigmoid(self.squeeze(x.mean((2, 3))))
        x = x * factors[:, :, None, None].expand_as(x)
        return self.head(x.mean((2, 3)))


class Shuffled(nn.Module):
    """A block of ShuffleNetV2: half of the channels stay, and both halves are mixed."""

    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.body = nn.Sequential(
            *normalized(half, half, 1),
            nn.ReLU(),
            *normalized(half, half, 3, groups=half),
            *normalized(half, half, 1),
            nn.ReLU(),
        )

    def forward(self, x):
        kept, other = x.chunk(2, dim=1)
        return nn.functional.channel_shuffle(torch.cat((kept, self.body(other)), 1), 2)


class Mixed(nn.Module):
    """Channels in another order as torchvision writes it, and some of them left out."""

    def forward(self, x):
        count, channels, height, width = x.shape
        groups = x.view(count, 3, channels // 3, height, width).transpose(1, 2).contiguous()
        return groups.view(count, -1, height, width)[:, 2:-1]


def shuffled():
    """Blocks whose channels are split and shuffled."""
    return nn.Sequential(
        *normalized(3, 12, 3, stride=2),
        nn.ReLU(),
        Shuffled(12),
        Shuffled(12),
        Mixed(),
        nn.Conv2d(9, 16, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, CLASSES),
    )


def trained(pool):
    return fitted(lambda: Network(pool))


def fitted(make):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = make()
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for step in range(60):
        inputs, labels = samples(32, step)
        loss = nn.functional.cross_entropy(
            module(torch.from_numpy(inputs)), torch.from_numpy(labels)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module.eval()
