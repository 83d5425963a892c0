"""Modules of PyTorch that put elements in another order: mixers, attention, blocks of pixels."""

import pytest
from test_torch_modules import assert_learned_and_trains
from torch_modules import CLASSES, fitted, nn, samples, torch

import kilograd


class Mixer(nn.Module):
    """Dense layers along the positions of patches, then along their channels."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.along = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 16))
        self.across = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.along(x.transpose(1, 2)).transpose(1, 2)
        return self.head((x + self.across(x)).mean(1))


class Attention(nn.Module):
    """Gates for channels, from means and maxima of them, and then for positions (CBAM)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, 2, 1)
        self.channels = nn.Sequential(nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 12))
        self.positions = nn.Conv2d(2, 1, 3, padding=1)
        self.head = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        gate = self.channels(x.mean((2, 3))) + self.channels(x.amax((2, 3)))
        x = x * torch.sigmoid(gate)[:, :, None, None]
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return self.head((x * torch.sigmoid(self.positions(both))).mean((2, 3)))


class Blocks(nn.Module):
    """Blocks of pixels as channels, and back."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 16, 3, padding=1), nn.ReLU())
        self.second = nn.Sequential(nn.PixelShuffle(2), nn.Conv2d(4, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.head(self.second(self.first(x)).mean((2, 3)))


class Joined(nn.Module):
    """A map and a smaller one as one vector."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 2, 1)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(6 * 64 + 6 * 16, CLASSES)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        return self.head(torch.cat([x.flatten(1), self.pool(x).flatten(1)], 1))


class Patches(nn.Module):
    """Patches of the sample itself, each of them a vector."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(48, 20)
        self.head = nn.Linear(20, CLASSES)

    def forward(self, x):
        x = x.reshape(x.shape[0], 3, 4, 4, 4, 4).permute(0, 2, 4, 3, 5, 1)
        return self.head(torch.relu(self.first(x.reshape(x.shape[0], 16, 48))).mean(1))


class Differences(nn.Module):
    """What changes from one column of a sample to the next, and every other row of it."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.second = nn.Conv2d(3, 8, 3, 1, 1)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x):
        a = torch.relu(self.first(x[:, :, :, 1:] - x[:, :, :, :-1])).amax((2, 3))
        b = torch.relu(self.second(x[:, :, ::2])).amax((2, 3))
        return self.head(torch.cat([a, b], 1))


class Stacked(nn.Module):
    """The mean and the sum of two branches that are stacked."""

    def __init__(self):
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(3, 6, 5, 2, 2)
        self.head = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = torch.relu(torch.stack([self.fine(x), self.coarse(x)], 1))
        return self.head(torch.cat([x.mean(1).amax((2, 3)), x.sum(1).mean((2, 3))], 1))


class Unfolded(Patches):
    """The same, unfolded."""

    def forward(self, x):
        x = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 4, 5, 1)
        return self.head(torch.relu(self.first(x.reshape(x.shape[0], 16, 48))).mean(1))


#: Module, and how many copies of maps in another order it has.
MODULES = {
    "mixer": (Mixer, 2),
    "attention": (Attention, 1),
    "blocks": (Blocks, 2),
    "joined": (Joined, 2),
    "patches": (Patches, 1),
    "differences": (Differences, 0),
    "unfolded": (Unfolded, 2),
    "stacked": (Stacked, 5),
}


@pytest.mark.parametrize("what", MODULES)
def test_it_learns_and_trains(what):
    make, copies = MODULES[what]
    module = fitted(make)
    graph = kilograd.from_torch(module, samples(100, 1)[0])
    assert kilograd.input_spec(graph).shape == (16, 16, 3)
    assert sum(node.operator == "transpose" for node in graph.nodes) == copies
    assert_learned_and_trains(module, graph, least=0.6)


def test_layers_along_positions_have_their_names():
    """Though the exporter transposes their weights, which lose theirs."""
    graph = kilograd.from_torch(fitted(Mixer), samples(20, 1)[0])
    layers = [node.layer for node in graph.nodes if node.operator == "pointwise"]
    assert layers == ["along.0", "along.2", "across.0", "across.2"]
