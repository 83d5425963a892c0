"""Short runs: the same bits behind a boundary, kept by content, resumed, on a cluster."""

import os
import signal

import numpy as np
import pytest
from search_cases import small_dataset, small_graph

import kilograd
from kilograd.compiler import Optimization, compile_model
from kilograd.data import Dataset, Samples
from kilograd.device.host import HostDevice
from kilograd.device.protocol import LearningRate
from kilograd.errors import BudgetError, DataError, UserError
from kilograd.ops import REGISTRY
from kilograd.ops.context import StepContext
from kilograd.scheme import Scheme
from kilograd.search import runs
from kilograd.search.choice import Choice
from kilograd.search.cluster import Cluster
from kilograd.search.contributions import average
from kilograd.search.fisher import fisher_contributions
from kilograd.search.measured import Analysis, measured_contributions
from kilograd.search.options import layer_options
from kilograd.search.prefix import boundaries, build_stages, run_stages, suffix
from kilograd.search.runs import Outcome, RunStore
from kilograd.search.search import Analyst
from kilograd.search.tasks import make_task
from kilograd.toolchain import build_host_library
from networks import blobs


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return small_graph(tmp_path_factory.mktemp("runs"))


def test_tensors_at_boundaries_are_those_of_the_reference(graph):
    samples, _ = blobs(graph, 3, classes=4)
    places = boundaries(graph)
    assert len(places) > 3
    found = run_stages(graph, build_stages(graph, places, workers=1), samples)
    assert set(found) == set(places)
    for number, sample in enumerate(samples):
        known = {graph.inputs[0].name: sample}
        for node in graph.nodes:
            read = [known.get(name, graph.values[name].data) for name in node.inputs]
            types = graph.types(node.inputs)
            made = REGISTRY[node.operator].reference(node.attributes, types, read, StepContext())
            known.update(zip(node.outputs, made, strict=True))
        for place, tensors in found.items():
            assert np.array_equal(tensors[number], known[place.value])


def test_training_behind_a_boundary_gives_the_same_bits(graph):
    samples, labels = blobs(graph, 12, classes=4)
    place = boundaries(graph)[-2]
    behind = [n.layer for n in graph.nodes[place.index :] if REGISTRY[n.operator].has_weights]
    scheme = Scheme("behind", tuple(behind), dict.fromkeys(behind, 1.0))
    tensors = run_stages(graph, build_stages(graph, [place], workers=1), samples)[place]
    states = []
    for network, inputs in ((graph, samples), (suffix(graph, place), tensors)):
        program = compile_model(network, scheme, without=[Optimization.ROWS])
        with HostDevice(build_host_library(program.sources).path) as device:
            device.initialize(5)
            for sample, label in zip(inputs, labels.tolist(), strict=True):
                device.train_step(sample, label, LearningRate.from_float(0.02))
            states.append(device.read_state())
    assert states[0] == states[1]


class Unreadable:
    """Test samples that nobody may look at."""

    def __getattr__(self, name):
        pytest.fail(f"the search looked at test samples: {name}")

    def __len__(self):
        pytest.fail("the search counted test samples")
        return 0


def test_test_samples_are_never_looked_at(graph):
    dataset = small_dataset(graph)
    hidden = Dataset(dataset.name, dataset.train, Unreadable(), dataset.class_names)
    task = make_task(hidden)
    both = np.concatenate([task.fit.labels, task.validation.labels])
    assert sorted(both.tolist()) == sorted(dataset.train.labels.tolist())
    rows = {sample.tobytes() for sample in task.fit.inputs}
    assert not rows.intersection(sample.tobytes() for sample in task.validation.inputs)
    fisher_contributions(graph, layer_options(graph), task.fit, epochs=1)


def test_too_little_data_is_refused(graph):
    dataset = small_dataset(graph)
    one = Dataset("one", dataset.train, dataset.test, ("only",))
    with pytest.raises(DataError) as caught:
        make_task(one)
    assert "one: there is one class only, and nothing to tell it from" in str(caught.value)
    few = Dataset("few", Samples(*blobs(graph, 3, classes=3)), dataset.test, tuple("abcd"))
    with pytest.raises(DataError) as caught:
        make_task(few)
    assert "few: there are 3 training samples for 4 classes" in str(caught.value)


def test_outcomes_are_kept_by_content(graph, tmp_path):
    store = RunStore(graph, tmp_path)
    choice = Choice(("head",), {})
    assert store.find(choice, "task", 0) is None
    store.keep(choice, "task", 0, Outcome(0.5, 0.25, 0.2))
    assert store.find(choice, "task", 0) == Outcome(0.5, 0.25, 0.2)
    for other in ((Choice(), "task", 0), (choice, "other", 0), (choice, "task", 1)):
        assert store.find(*other) is None
    (path,) = tmp_path.rglob("*.json")
    path.write_text('{"accuracy": 0.', encoding="utf-8")
    assert store.find(choice, "task", 0) is None


def test_outcomes_that_cannot_be_kept_are_an_error(graph, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    store = RunStore(graph, tmp_path / "file")
    with pytest.raises(UserError) as caught:
        store.keep(Choice(), "task", 0, Outcome(0.5, 0.25, 0.2))
    assert "results of runs cannot be kept" in str(caught.value)
    assert "finished runs stay" in str(caught.value)


def analyse(graph, folder, cluster, progress=None):
    tasks = [make_task(small_dataset(graph))]
    return measured_contributions(
        graph,
        layer_options(graph),
        tasks,
        cluster=cluster,
        store=RunStore(graph, folder),
        progress=progress,
    )


@pytest.fixture(scope="module")
def alone(graph, tmp_path_factory):
    """Contributions that one process finds."""
    return analyse(graph, tmp_path_factory.mktemp("alone"), Cluster(workers=1))


@pytest.mark.thorough
def test_what_is_trained_gains(graph, alone):
    (found,) = alone
    trunk = [option.layer for option in layer_options(graph)[:-1]]
    assert list(found.biases) == list(found.weights) == trunk
    assert max(found.biases.values()) > 0
    assert max(max(shares.values()) for shares in found.weights.values()) > 0
    assert average(alone * 2).biases.keys() == found.biases.keys()


@pytest.mark.thorough
def test_an_interrupted_analysis_goes_on_where_it_stopped(graph, tmp_path, alone, monkeypatch):
    count = Analysis(tuple(layer_options(graph)[:-1])).runs

    def stop(done, total):
        assert total == count
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyse(graph, tmp_path, Cluster(workers=1), stop)
    assert len(list(tmp_path.rglob("*.json"))) == 5
    seen = []
    assert analyse(graph, tmp_path, Cluster(workers=1), lambda d, t: seen.append(d)) == alone
    assert seen[0] == 5
    monkeypatch.setattr(runs, "short_run", None)  # nothing is run again
    assert analyse(graph, tmp_path, Cluster(workers=1)) == alone


def test_results_can_come_in_the_order_of_the_jobs():
    """Though the first job ends last."""
    jobs = [(sum, (range(count),)) for count in (5_000_000, 3, 2, 4)]
    assert Cluster(workers=2).run_in_order(jobs) == [12_499_997_500_000, 3, 1, 6]


def test_a_cluster_that_does_not_answer(graph, tmp_path):
    with pytest.raises(UserError) as caught:
        analyse(graph, tmp_path, Cluster("dask://127.0.0.1:9"))
    assert "the cluster at dask://127.0.0.1:9 does not answer" in str(caught.value)
    assert "finished runs are kept" in str(caught.value)
    for address in ("dask:somewhere", "spark://host:1", "dask://host"):
        with pytest.raises(UserError) as caught:
            analyse(graph, tmp_path, Cluster(address))
        assert f"{address!r} is no address of a cluster" in str(caught.value)


def test_a_worker_that_dies_changes_nothing(graph, tmp_path, alone):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as local:
        port = local.scheduler_address.rsplit(":", maxsplit=1)[1]
        workers = list(local.workers.values())
        killed = []

        def kill(done, total):
            if done >= total // 2 and not killed:
                killed.append(workers[0].pid)
                os.kill(workers[0].pid, signal.SIGKILL)

        assert analyse(graph, tmp_path, Cluster(f"dask://127.0.0.1:{port}"), kill) == alone
    assert killed


def test_gradients_tell_what_matters(graph):
    task = make_task(small_dataset(graph))
    options = layer_options(graph)
    found, again = (
        fisher_contributions(graph, options, task.fit, epochs=1, seed=seed) for seed in (0, 1)
    )
    assert all(gain >= 0 for gain in found.biases.values())
    for shares in found.weights.values():
        gains = [shares[share] for share in sorted(shares)]
        assert gains == sorted(gains)
    whole = [[c.weights[layer][1.0] for layer in c.weights] for c in (found, again)]
    assert np.corrcoef(*whole)[0, 1] > 0.8
    repeated = fisher_contributions(graph, options, task.fit, epochs=1)
    assert repeated == found


@pytest.mark.thorough
def test_the_public_function_finds_a_scheme(graph):
    target = kilograd.get_target("cortex-m7")
    analyst = Analyst("fisher")
    found = kilograd.search_scheme(graph, [small_dataset(graph)], target, analyst=analyst)
    smaller = kilograd.search_scheme(
        graph, [small_dataset(graph)], target, sram=3000, analyst=analyst, name="small"
    )
    assert smaller.scheme.name == "small"
    assert smaller.measurement.sram_total_bytes <= 3000
    assert smaller.solution.gain < found.solution.gain
    with pytest.raises(BudgetError, match="the smallest possible plan takes"):
        kilograd.search_scheme(graph, [small_dataset(graph)], target, sram=100)
