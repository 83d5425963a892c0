"""The snapshot cache: the frozen prefix runs once a sample, and nothing learned is different."""

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.data import Dataset, Samples
from kilograd.device.host import HostDevice
from kilograd.device.snapshots import SnapshotCache
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library
from kilograd.training.loop import TrainingOptions, train
from networks import blobs, tiny_graph


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"), fresh_classes=2)


@pytest.fixture(scope="module")
def library(graph):
    program = compile_model(graph, load_scheme("last:2", graph), get_target("host"))
    return build_host_library(program.for_target(get_target("host")).sources).path


@pytest.fixture
def prefix_runs(monkeypatch):
    """The samples that the prefix was run on."""
    ran = []
    original = HostDevice.prefix_snapshot

    def counted(device, sample):
        ran.append(sample.tobytes())
        return original(device, sample)

    monkeypatch.setattr(HostDevice, "prefix_snapshot", counted)
    return ran


def test_the_prefix_runs_once_a_sample_over_all_runs(graph, library, prefix_runs):
    inputs, labels = blobs(graph, 24)
    dataset = Dataset(
        "blobs", Samples(inputs[:16], labels[:16]), Samples(inputs[16:], labels[16:]), ("a", "b")
    )
    options = [TrainingOptions(epochs=2, rate=0.01, seed=seed) for seed in (0, 1)]
    states = {}
    for kind in (HostDevice, SnapshotCache):
        prefix_runs.clear()
        with kind(library) as device:
            states[kind] = [train(device, dataset, chosen).state for chosen in options]
        if kind is SnapshotCache:
            assert sorted(prefix_runs) == sorted(sample.tobytes() for sample in inputs)
    assert states[SnapshotCache] == states[HostDevice]
    assert states[SnapshotCache][0] != states[SnapshotCache][1]


def test_a_snapshot_is_that_of_the_device_and_cannot_be_changed(graph, library, prefix_runs):
    inputs, _ = blobs(graph, 2)
    with HostDevice(library) as plain, SnapshotCache(library) as device:
        expected = [plain.prefix_snapshot(sample) for sample in inputs]
        prefix_runs.clear()
        for _ in range(3):
            for sample, snapshot in zip(inputs, expected, strict=True):
                np.testing.assert_array_equal(device.prefix_snapshot(sample), snapshot)
        assert len(prefix_runs) == 2
        with pytest.raises(ValueError, match="read-only"):
            device.prefix_snapshot(inputs[0])[0] = 1
        device.initialize(0)
        logits = device.predict_from_snapshot(device.prefix_snapshot(inputs[0]))
        np.testing.assert_array_equal(logits, device.predict(inputs[0]))
