"""Few samples of each class are gone over more often, unless somebody says how often."""

import numpy as np
import pytest

from kilograd.data import Dataset, Samples
from kilograd.training.epochs import FEW_SAMPLES, FEW_SAMPLES_EPOCHS, default_epochs
from networks import blobs, native_model, tiny_graph


def dataset_of(counts, **more):
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    samples = Samples(np.zeros((len(labels), 2, 2, 1), np.int8), labels)
    return Dataset("made up", samples, samples, tuple("abcdef"[: len(counts)]), **more)


@pytest.mark.parametrize(
    ("counts", "epochs"),
    [
        ((5, 5), FEW_SAMPLES_EPOCHS),
        ((FEW_SAMPLES, FEW_SAMPLES), FEW_SAMPLES_EPOCHS),
        ((FEW_SAMPLES + 1, FEW_SAMPLES + 1), 1),
        ((3, 400, 400), 1),
        ((3, 3, 400), FEW_SAMPLES_EPOCHS),
    ],
)
def test_the_default(counts, epochs):
    assert default_epochs(dataset_of(counts)) == epochs


def test_the_command_says_so(kilograd, tmp_path):
    model = native_model().write(tmp_path / "tiny.npz")
    inputs, labels = blobs(tiny_graph(tmp_path, fresh_classes=3), 45, classes=3)
    split = (np.arange(45) % 5 == 4).astype(np.int8)
    names = np.array(["red", "green", "blue"])
    pack = tmp_path / "few.npz"
    np.savez(pack, inputs=inputs, labels=labels, split=split, class_names=names)
    base = ("train", model, "--data", pack)
    shown = kilograd(*base)
    assert "training goes over them 30 times" in " ".join((shown.out + shown.err).split())
    assert kilograd(*base, "--json").json["epochs"] == 30
    assert kilograd(*base, "--epochs", 2, "--json").json["epochs"] == 2
    assert kilograd(*base, "--limit", 30, "--json").json["epochs"] == 1
    assert kilograd(*base, "--stream", "--json").json["steps"] == 36
