"""The training loop: the same everywhere, and it learns."""

from dataclasses import replace

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.data import Dataset, Samples
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.errors import DataError
from kilograd.ir import LabelKind, Phase
from kilograd.scheme import Scheme, load_scheme
from kilograd.targets import get_target
from kilograd.training.answers import Evaluation, OneClass
from kilograd.training.loop import TrainingOptions, evaluate, train
from kilograd.training.runner import PrefixDevice
from networks import WEIGHTED as LAYERS
from networks import blobs, tiny_graph

OPTIONS = TrainingOptions(epochs=2, rate=0.01, seed=3)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"), classes=2)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """With a head that knows nothing."""
    return tiny_graph(tmp_path_factory.mktemp("model"), fresh_classes=2)


@pytest.fixture(scope="module")
def dataset(graph):
    train_split, test_split = (Samples(*blobs(graph, n, seed=n)) for n in (24, 12))
    return Dataset("blobs", train_split, test_split, ("left", "right"))


@pytest.fixture(scope="module")
def run(graph, dataset):
    """Trains a fresh device and returns the result."""

    def train_fresh(
        device="host", scheme="last:3", options=OPTIONS, *, data=dataset, wrap=None, model=graph
    ):
        program = compile_model(model, load_scheme(scheme, model), get_target("cortex-m7"))
        with open_device(program, device) as opened:
            return train(wrap(opened) if wrap else opened, data, options)

    return train_fresh


@pytest.mark.thorough
@pytest.mark.parametrize("biases", [("head",), tuple(LAYERS)])
def test_a_streamed_sample_is_learned_alike_on_every_device(graph, dataset, biases):
    """Also where what is learned runs while its rows arrive: no stale result is kept of that."""
    scheme = Scheme("drawn", biases, {"head": 1.0})
    digests = set()
    for row_input in (False, True):
        program = compile_model(graph, scheme, get_target("cortex-m7"), row_input=row_input)
        for name in ("reference", "host", "unicorn"):
            with open_device(program, name) as device:
                digests.add(train(device, dataset, OPTIONS).state_digest)
    assert len(digests) == 1


class WithoutPrefix:
    """A host device whose frozen prefix runs anew each time."""

    def __init__(self, device) -> None:
        self._device = device

    def __getattr__(self, name):
        if "prefix" in name or "snapshot" in name:
            raise AttributeError(name)
        return getattr(self._device, name)


@pytest.mark.thorough
@pytest.mark.parametrize("scheme", ["head", "bias:3", "last:3", "full"])
def test_the_kept_prefix_changes_nothing(run, scheme):
    assert not isinstance(WithoutPrefix, PrefixDevice)
    kept = run(scheme=scheme)
    again = run(scheme=scheme, wrap=WithoutPrefix)
    reference = run("reference", scheme)
    assert kept.state == again.state == reference.state
    assert kept.state_digest == reference.state_digest
    for other in (again, reference):
        assert np.array_equal(kept.after.confusion, other.after.confusion)
        assert kept.losses == other.losses


def test_the_same_run_gives_the_same_bits_and_another_seed_does_not(run):
    first, second = run(), run()
    assert (first.state_digest, first.losses) == (second.state_digest, second.losses)
    assert len(first.state_digest) == 64
    assert run(options=replace(OPTIONS, seed=4)).state_digest != first.state_digest


def test_emulator_and_host_learn_the_same(run):
    assert run("unicorn").state == run("host").state


@pytest.mark.parametrize("scheme", ["head", "full"])
def test_two_classes_are_learned(run, fresh, scheme):
    test = Samples(*blobs(fresh, 40, seed=9))
    data = Dataset("blobs", Samples(*blobs(fresh, 80)), test, ("left", "right"))
    options = TrainingOptions(epochs=3, rate=0.01)
    result = run(scheme=scheme, options=options, data=data, model=fresh)
    assert result.before.accuracy == 0.5
    assert result.losses[0] == pytest.approx(np.log(2))
    assert result.after.accuracy >= 0.95
    assert np.mean(result.losses[-40:]) < np.mean(result.losses[:40]) / 2
    assert result.online_accuracy[-1] >= 0.95


def test_result_counts_its_steps(graph, dataset):
    seen = []
    program = compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"))
    with open_device(program, "host") as device:
        result = train(device, dataset, OPTIONS, lambda *event: seen.append(event))
    assert result.steps == 48 == len(result.losses) == len(result.online_accuracy)
    assert result.before.count == result.after.count == 12
    assert result.seconds > 0
    assert [event[:3] for event in seen if event[0] == "training"] == [
        ("training", step, 48) for step in range(1, 49)
    ]
    assert sum(event[0] == "evaluating" for event in seen) == 24


def test_rate_zero_trains_nothing(graph, dataset):
    """Only the step counter and the exponents of gradients move."""
    program = compile_model(graph, load_scheme("full", graph), get_target("cortex-m7"))
    parameters = {s.name for s in program.graph.states if s.type.quantization is not None}
    assert len(parameters) == 2 * 8
    with open_device(program, "host") as device:
        device.initialize(3)
        before = device.read_state()
        result = train(device, dataset, TrainingOptions(rate=0, seed=3))
    assert result.state[:4] == before[:4]
    assert int.from_bytes(result.state[4:8], "little") == len(dataset.train)
    changed = set()
    for state in program.graph.states:
        start = program.plan.states[state.name]
        span = slice(start, start + state.type.nbytes)
        if result.state[span] != before[span]:
            changed.add(state.name)
    assert changed
    assert not changed & parameters
    assert result.before.confusion.tolist() == result.after.confusion.tolist()


def test_only_what_the_scheme_names_is_trained(graph):
    name = "blocks.1.pointwise1"
    program = compile_model(graph, Scheme("one", (), {name: 1.0}), get_target("cortex-m7"))
    trained = {s.name for s in program.graph.states if s.type.quantization is not None}
    assert trained == {f"{name}.weight.delta"}
    assert program.graph.nodes[program.frozen_prefix].name == name
    assert program.macs(Phase.INFERENCE) > 0
    assert program.macs(Phase.TRAINING) > 0


def test_one_rate_for_the_whole_run():
    cosine, constant = TrainingOptions(rate=0.1), TrainingOptions(rate=0.1, schedule="constant")
    assert cosine.learning_rate(200) == LearningRate.from_float(0.1, 200)
    assert constant.learning_rate(200) == LearningRate.from_float(0.1)
    with pytest.raises(DataError, match="a schedule has 0 to 4294967295 steps"):
        cosine.learning_rate(1 << 32)


@pytest.mark.parametrize(("schedule", "steps"), [("cosine", 48), ("constant", 0)])
def test_every_step_is_given_the_same_rate(run, schedule, steps):
    class Recording(WithoutPrefix):
        def train_step(self, sample, label, rate):
            rates.append(rate)
            return self._device.train_step(sample, label, rate)

    rates = []
    run(options=replace(OPTIONS, schedule=schedule), wrap=Recording)
    assert rates == [LearningRate.from_float(0.01, steps)] * 48


def test_confusion_counts(graph):
    class Constant:
        name, class_count, label_kind = "constant", 3, LabelKind.CLASS

        def predict(self, sample):
            return np.array([1, int(sample.flat[0]), 1], np.int32)

    inputs = np.zeros((6, 2, 2, 1), np.int8)
    inputs[3:, 0, 0] = 5
    labels = np.array([0, 0, 1, 1, 2, 0], np.int32)
    result = evaluate(Constant(), Samples(inputs, labels))
    assert result.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]
    assert result.count == 6
    assert result.accuracy == 0.5
    assert Evaluation(np.zeros((2, 2), np.int64)).accuracy == 0


def test_cross_entropy_of_extreme_logits():
    loss = OneClass(2).loss
    assert loss(np.array([0, 0], np.int32), 1) == pytest.approx(np.log(2))
    wide = np.array([2**31 - 1, -(2**31)], np.int32)
    assert loss(wide, 0) == 0
    assert loss(wide, 1) == pytest.approx(65536, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"epochs": -3}, "epochs must be at least 1, not -3"),
        ({"schedule": "linear"}, "there is no schedule 'linear'\n  hint: cosine and constant"),
        ({"rate": -0.1}, "a learning rate is a finite number from 0 up, not -0.1"),
        ({"rate": float("nan")}, "a learning rate is a finite number from 0 up, not nan"),
        ({"rate": float("inf")}, "a learning rate is a finite number from 0 up, not inf"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(DataError) as caught:
        TrainingOptions(**options)
    assert message in str(caught.value)


def test_nothing_to_train_on(run, dataset):
    empty = Samples(dataset.train.inputs[:0], dataset.train.labels[:0])
    with pytest.raises(DataError, match="blobs: there are no training samples"):
        run(data=replace(dataset, train=empty))


def test_nothing_to_test_on(run, dataset):
    empty = Samples(dataset.train.inputs[:0], dataset.train.labels[:0])
    result = run(data=replace(dataset, test=empty))
    assert (result.before.count, result.after.accuracy) == (0, 0)


@pytest.mark.parametrize("device", ["host", "reference", "unicorn"])
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("label", [-1, 2])
def test_label_out_of_range(run, dataset, device, split, label):
    samples = getattr(dataset, split)
    labels = samples.labels.copy()
    labels[5] = label
    with pytest.raises(DataError, match=f"label {label} is no class: this network has 0 to 1"):
        run(device, data=replace(dataset, **{split: replace(samples, labels=labels)}))


@pytest.mark.parametrize("rate", [1e-30, 1e6, 1e300])
def test_extreme_rates_stay_the_same_everywhere(run, graph, rate):
    options = TrainingOptions(rate=rate, schedule="constant")
    one, other = run("host", "full", options), run("reference", "full", options)
    assert one.state == other.state
    assert one.losses == other.losses
