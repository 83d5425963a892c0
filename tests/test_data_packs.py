"""Packs of JPEG images and of plain samples are loaded."""

from pathlib import Path

import numpy as np
import pytest

from data_packs import SPEC, array_pack, jpeg_pack, refused
from kilograd.data import Dataset, InputSpec, Samples, load_dataset, pack_digest, packs

PACKS = Path(__file__).parents[2] / "shared" / "data"
ANCHOR = InputSpec(128, 128, 3, 1 / 127.5, 0)


def test_jpeg_pack(tmp_path):
    dataset = load_dataset(jpeg_pack(tmp_path / "tiny.pack.npz"), SPEC)
    assert dataset.name == "tiny.pack"
    assert dataset.class_names == ("ant", "bee", "cat")
    assert dataset.train.inputs.shape == (9, 4, 4, 3)
    assert len(dataset.test) == 3
    for samples in (dataset.train, dataset.test):
        assert samples.inputs.dtype == np.int8
        assert samples.labels.dtype == np.int32
        assert not samples.inputs.flags.writeable
        assert not samples.labels.flags.writeable
        expected = 40 * samples.labels - 127
        assert (abs(samples.inputs.mean(axis=(1, 2, 3)) - expected) < 2).all()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    path = jpeg_pack(tmp_path / "a.npz")
    first = pack_digest(load_dataset(path, SPEC, limit=6, seed=1))
    assert first == pack_digest(load_dataset(path, SPEC, limit=6, seed=1))
    assert first != pack_digest(load_dataset(path, SPEC, limit=6, seed=2))
    assert len(first) == 64


def test_digest_sees_inputs_labels_and_the_border_between_splits():
    def dataset(inputs, labels, train):
        inputs, labels = np.array(inputs, np.int8), np.array(labels, np.int32)
        return Dataset(
            "x",
            Samples(inputs[:train], labels[:train]),
            Samples(inputs[train:], labels[train:]),
            ("a", "b"),
        )

    inputs = [[[[1]]], [[[2]]], [[[3]]]]
    digests = {
        pack_digest(dataset(inputs, [0, 1, 0], 2)),
        pack_digest(dataset(inputs, [0, 1, 1], 2)),
        pack_digest(dataset(inputs, [0, 1, 0], 1)),
        pack_digest(dataset([*inputs[:2], [[[4]]]], [0, 1, 0], 2)),
    }
    assert len(digests) == 4


def test_limits_decode_only_what_they_choose(tmp_path, monkeypatch):
    decoded = []

    def decode(sources, spec):
        decoded.extend(sources)
        return np.zeros((len(sources), *spec.shape), np.int8)

    monkeypatch.setattr(packs, "decode_images", decode)
    dataset = load_dataset(jpeg_pack(tmp_path / "a.npz"), SPEC, limit=3, test_limit=2)
    assert sorted(dataset.train.labels.tolist()) == [0, 1, 2]
    assert len(decoded) == 5


def test_pack_without_test_samples_is_split_by_class(tmp_path):
    path = jpeg_pack(tmp_path / "a.npz", split=None)
    dataset = load_dataset(path, SPEC, test_share=0.5)
    assert np.bincount(dataset.train.labels).tolist() == [2, 2, 2]
    assert np.bincount(dataset.test.labels).tolist() == [2, 2, 2]


def test_extra_samples_are_left_out(tmp_path):
    split = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    dataset = load_dataset(jpeg_pack(tmp_path / "a.npz", split=split), SPEC)
    assert (len(dataset.train), len(dataset.test)) == (6, 3)


def test_a_pack_of_test_samples_alone(tmp_path):
    path = jpeg_pack(tmp_path / "a.npz", split=np.ones(12, np.uint8))
    error = refused(path)
    assert error.what == "it has test samples only, nothing to train on"
    assert error.hint == "limit=0 loads the test samples alone"
    dataset = load_dataset(path, SPEC, limit=0)
    assert dataset.train.inputs.shape == (0, 4, 4, 3)
    assert len(dataset.test) == 12


def test_grey_networks(tmp_path):
    spec = InputSpec(2, 6, 1, 1 / 127.5, 0)
    dataset = load_dataset(jpeg_pack(tmp_path / "a.npz"), spec)
    assert dataset.train.inputs.shape == (9, 2, 6, 1)


def test_int8_samples_arrive_as_they_are(tmp_path):
    path = array_pack(tmp_path / "a.npz")
    stored = dict(np.load(path))
    dataset = load_dataset(path, SPEC)
    assert dataset.class_names == ("0", "1")
    assert (len(dataset.train), len(dataset.test)) == (6, 2)
    assert sorted(x.tobytes() for x in dataset.train.inputs) == sorted(
        x.tobytes() for x in stored["inputs"][:6]
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_real_samples_are_quantized(tmp_path, dtype):
    real = np.linspace(-2, 2, 8 * 48).reshape(8, 4, 4, 3).astype(dtype)
    spec = InputSpec(4, 4, 3, 0.01, 5)
    dataset = load_dataset(array_pack(tmp_path / "a.npz", inputs=real), spec)
    expected = spec.quantize(real[:6])
    assert sorted(x.tobytes() for x in dataset.train.inputs) == sorted(
        x.tobytes() for x in expected
    )


def test_fortran_order_is_honoured(tmp_path):
    path = array_pack(tmp_path / "a.npz")
    expected = pack_digest(load_dataset(path, SPEC))
    inputs = np.asfortranarray(np.load(path)["inputs"])
    assert pack_digest(load_dataset(array_pack(path, inputs=inputs), SPEC)) == expected


@pytest.mark.parametrize(
    ("name", "classes"), [("cifar10_jpeg32", 10), ("flowers17_128", 17), ("person_scene_128", 2)]
)
def test_real_packs(name, classes):
    path = PACKS / f"{name}.npz"
    if not path.is_file():
        pytest.skip("the data packs are not here")
    dataset = load_dataset(path, ANCHOR, limit=40, test_limit=20)
    assert dataset.train.inputs.shape == (40, 128, 128, 3)
    assert len(dataset.test) == 20
    assert len(dataset.class_names) == classes
    counts = np.bincount(dataset.train.labels, minlength=classes)
    assert counts.max() - counts.min() <= 1
    assert dataset.train.inputs.std() > 20
