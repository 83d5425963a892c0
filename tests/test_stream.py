"""Streams: each sample once, a class that comes late, samples that drift; the same everywhere."""

from dataclasses import replace

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.data import Dataset, Drift, InputSpec, Samples
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate, state_classes
from kilograd.errors import DataError
from kilograd.frontend.open import input_spec, load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.online import WINDOW, train_online
from kilograd.training.stream import OnlineOptions, make_online, put_last
from networks import blobs, tiny_graph

NAMES = ("red", "green", "blue")
LATE = OnlineOptions(rate=0.01, seed=3, new_class="green")
DRIFTING = OnlineOptions(rate=0.01, seed=3, drift=Drift("noise", 20), change_at=0.4)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"), fresh_classes=3)


@pytest.fixture(scope="module")
def spec(graph):
    return input_spec(graph)


@pytest.fixture(scope="module")
def dataset(graph):
    splits = (Samples(*blobs(graph, n, seed=n, classes=3)) for n in (40, 18))
    return Dataset("blobs", *splits, NAMES)


@pytest.fixture(scope="module")
def run(graph, dataset, spec):
    """Trains a fresh device on a stream."""

    def train_fresh(options, device="host", *, data=dataset, scheme="last:3", wrap=None):
        stream = make_online(data, spec, options)
        program = compile_model(graph, load_scheme(scheme, graph), get_target("cortex-m7"))
        with open_device(program, device) as opened:
            return train_online(wrap(opened) if wrap else opened, stream)

    return train_fresh


class Recording:
    """A host device that remembers what it was shown; without prefix, so that it sees samples."""

    def __init__(self, device) -> None:
        self._device = device
        self.learned = []

    def __getattr__(self, name):
        if "prefix" in name or "snapshot" in name:
            raise AttributeError(name)
        return getattr(self._device, name)

    def train_step(self, sample, label, rate):
        self.learned.append((sample.tobytes(), label, self._device.active_classes, rate))
        return self._device.train_step(sample, label, rate)


# -- the order


@pytest.mark.parametrize("options", [OnlineOptions(seed=1), LATE, DRIFTING])
def test_each_sample_comes_once(dataset, spec, options):
    stream = make_online(dataset, spec, options)
    assert sorted(stream.order.tolist()) == list(range(40))
    again, other = (make_online(dataset, spec, replace(options, seed=s)) for s in (options.seed, 9))
    assert stream.order.tolist() == again.order.tolist() != other.order.tolist()


def test_the_device_is_given_each_sample_once(run, dataset):
    seen = []
    result = run(OnlineOptions(rate=0.01), wrap=lambda d: seen.append(Recording(d)) or seen[0])
    learned = [sample for sample, *_ in seen[0].learned]
    assert sorted(learned) == sorted(sample.tobytes() for sample in dataset.train.inputs)
    assert {rate for *_, rate in seen[0].learned} == {seen[0].learned[0][-1]}
    assert seen[0].learned[0][-1].steps == 0
    assert result.steps == 40 == len(result.losses) == len(result.online_accuracy)
    assert result.change is None


def test_a_new_class_is_held_back_until_the_change(run, dataset, spec):
    stream = make_online(dataset, spec, LATE)
    assert stream.dataset.class_names == ("red", "blue", "green")
    assert (stream.change, stream.first_classes) == (20, 2)
    labels = stream.dataset.train.labels[stream.order]
    assert not (labels[:20] == 2).any()
    assert (labels[20:] == 2).sum() == (dataset.train.labels == 1).sum() == 13
    assert len(set(labels[20:].tolist())) == 3
    seen = []
    result = run(LATE, wrap=lambda d: seen.append(Recording(d)) or seen[0])
    assert [active for _, _, active, _ in seen[0].learned] == [2] * 20 + [3] * 20
    assert state_classes(result.state) == 3
    assert result.before.count == result.change.before.count == 12
    assert result.after.count == result.change.after.count == result.change.not_learned.count == 18
    assert result.change.before.confusion[:, 2].sum() == 0


def test_put_last_changes_no_sample_and_no_name(dataset):
    moved = put_last(dataset, "red")
    assert moved.class_names == ("green", "blue", "red")
    for before, after in ((dataset.train, moved.train), (dataset.test, moved.test)):
        assert before.inputs is after.inputs
        names = [NAMES[label] for label in before.labels]
        assert names == [moved.class_names[label] for label in after.labels]
    assert put_last(dataset, "blue").train.labels.tolist() == dataset.train.labels.tolist()


# -- drift


def test_brightness_is_in_pixels_and_saturates(spec):
    sample = np.array([-127, 0, 100, 127], np.int8).reshape(1, 4, 1)
    grey = replace(spec, height=1, width=4, channels=1)

    def drifted(amount, spec=grey):
        drift = Drift("brightness", amount)
        return drift.apply(sample, spec, seed=0, index=0, stream=0).ravel().tolist()

    assert drifted(40) == [-87, 40, 127, 127]
    assert drifted(-40) == [-127, -40, 60, 87]
    coarse = InputSpec(1, 4, 1, 4 / 127.5, -5)  # four pixels a step
    assert drifted(40, coarse) == [-37, 10, 27, 27]


def test_noise_is_normal_and_depends_on_seed_index_and_split(spec):
    sample = np.zeros((64, 64, 3), np.int8)
    noise = Drift("noise", 20)

    def drifted(seed=0, index=0, stream=0):
        return noise.apply(sample, spec, seed=seed, index=index, stream=stream)

    values = drifted().astype(float)
    assert abs(values.mean()) < 0.6
    assert values.std() == pytest.approx(20, rel=0.03)
    assert np.mean(np.abs(values) < 20) == pytest.approx(0.683, abs=0.02)
    assert np.array_equal(drifted(), drifted())
    for other in (drifted(seed=1), drifted(index=1), drifted(stream=1)):
        assert not np.array_equal(drifted(), other)


def test_every_sample_drifts_from_the_change_on(run, dataset, spec):
    seen = []
    result = run(DRIFTING, wrap=lambda d: seen.append(Recording(d)) or seen[0])
    stream = make_online(dataset, spec, DRIFTING)
    assert stream.change == result.change.sample == 16
    for position, (index, (sample, *_)) in enumerate(
        zip(stream.order.tolist(), seen[0].learned, strict=True)
    ):
        plain = dataset.train.inputs[index].tobytes()
        assert (sample == plain) == (position < 16)
    assert result.change.after is result.change.not_learned
    assert result.change.unchanged.count == result.after.count == 18


# -- the same everywhere


@pytest.mark.parametrize("options", [OnlineOptions(rate=0.01), LATE, DRIFTING])
def test_all_devices_end_with_the_same_bits(run, options):
    host = run(options)
    for name in ("reference", "unicorn"):
        other = run(options, name)
        assert other.state_digest == host.state_digest
        assert other.losses == host.losses
        assert np.array_equal(other.after.confusion, host.after.confusion)
        for part in ("before", "after", "not_learned", "unchanged") if host.change else ():
            mine, theirs = (getattr(r.change, part).confusion for r in (host, other))
            assert np.array_equal(mine, theirs)
    assert run(options).state == host.state
    assert run(replace(options, seed=4)).state != host.state


def test_the_kept_prefix_changes_nothing(run):
    for options in (LATE, DRIFTING):
        assert run(options).state == run(options, wrap=Recording).state


def test_repeats_are_steps_on_the_sample_at_hand(run):
    seen = []
    options = replace(LATE, repeats=3)
    result = run(options, wrap=lambda d: seen.append(Recording(d)) or seen[0])
    samples = [sample for sample, *_ in seen[0].learned]
    assert samples[::3] == samples[1::3] == samples[2::3]
    assert len(set(samples)) == 40
    assert (result.steps, len(result.losses)) == (120, 40)
    assert int.from_bytes(result.state[4:8], "little") == 120


def test_a_stream_goes_on_from_a_kept_state(graph, dataset, spec):
    """What a device has learned when the change comes is all that it needs to go on."""
    stream = make_online(dataset, spec, LATE)
    program = compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m7"))
    inputs, labels = stream.dataset.train.inputs, stream.dataset.train.labels
    rate = LearningRate.from_float(LATE.rate)
    with open_device(program, "host") as whole:
        expected = train_online(whole, stream).state
    with open_device(program, "host") as first, open_device(program, "reference") as second:
        first.initialize(LATE.seed)
        first.set_active_classes(2)
        for index in stream.order[: stream.change].tolist():
            first.train_step(inputs[index], int(labels[index]), rate)
        second.write_state(first.read_state())
        assert second.active_classes == 2
        second.set_active_classes(3)
        for index in stream.order[stream.change :].tolist():
            second.train_step(inputs[index], int(labels[index]), rate)
        assert second.read_state() == expected


# -- what is measured


def test_prequential_accuracy_is_a_sliding_window(run, graph):
    data = Dataset("b", *(Samples(*blobs(graph, n, classes=3)) for n in (150, 6)), NAMES)
    result = run(OnlineOptions(rate=0.01), data=data)
    assert len(result.online_accuracy) == 150
    assert result.online_accuracy[0] in (0, 1)
    assert result.online_accuracy[-1] * WINDOW == pytest.approx(
        round(result.online_accuracy[-1] * WINDOW)
    )
    assert result.online_accuracy[-1] > 0.6


def test_a_class_without_test_samples_has_no_accuracy(run, dataset):
    few = Samples(dataset.test.inputs[::3], dataset.test.labels[::3])  # red alone
    result = run(LATE, data=replace(dataset, test=few))
    assert result.after.recall[1:] == [None, None]


# -- what cannot be


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": 0}, "a sample needs at least 1 training step, not 0"),
        ({"change_at": 0.0}, "a share of the stream between 0 and 1, not at 0.0"),
        ({"change_at": 1.0}, "a share of the stream between 0 and 1, not at 1.0"),
        ({"change_at": float("nan")}, "a share of the stream between 0 and 1, not at nan"),
        ({"rate": -1.0}, "a learning rate is a finite number from 0 up"),
        ({"new_class": "a", "drift": Drift("noise", 1)}, "a stream has one change"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(DataError, match=message):
        OnlineOptions(**options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blur:3", "there is no drift 'blur'"),
        ("fog", "there is no drift 'fog'"),
        ("noise", "the drift 'noise' has no amount"),
        ("noise:", "the amount of a drift is a whole number, not ''"),
        ("noise:2.5", "the amount of a drift is a whole number, not '2.5'"),
        ("noise:-3", "an amount of noise is 1 to 255, not -3"),
        ("noise:256", "an amount of noise is 1 to 255, not 256"),
        ("brightness:0", "an amount of brightness is -255 to 255 and not 0, not 0"),
    ],
)
def test_drifts_that_are_none(text, message):
    with pytest.raises(DataError, match=message) as caught:
        Drift.parse(text)
    assert "brightness:40, brightness:-40 and noise:20" in str(caught.value)
    assert str(Drift.parse("brightness:-40")) == "brightness:-40"


def test_streams_that_cannot_be_made(dataset, spec):
    empty = Samples(dataset.train.inputs[:0], dataset.train.labels[:0])
    with pytest.raises(DataError, match="blobs: there are no training samples"):
        make_online(replace(dataset, train=empty), spec, OnlineOptions())
    one = Samples(dataset.train.inputs[:1], dataset.train.labels[:1])
    with pytest.raises(DataError, match="needs at least 2 training samples"):
        make_online(replace(dataset, train=one), spec, DRIFTING)
    two = Samples(dataset.train.inputs[:2], dataset.train.labels[:2])
    with pytest.raises(DataError, match="the class 'blue' has no training samples"):
        make_online(replace(dataset, train=two), spec, replace(LATE, new_class="blue"))
    with pytest.raises(DataError, match="only 27 are of other classes") as caught:
        make_online(dataset, spec, replace(LATE, change_at=0.7))
    assert "hint: at most 0.67 here" in str(caught.value)
    make_online(dataset, spec, replace(LATE, change_at=0.67))


def test_only_images_drift(dataset):
    spoken = input_spec(load_model("kilograd-kws"))
    with pytest.raises(DataError, match=r"^drift: only images drift"):
        make_online(dataset, spoken, DRIFTING)
