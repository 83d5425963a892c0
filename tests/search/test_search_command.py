"""kilograd search, as a user meets it."""

import numpy as np
import pytest

from kilograd.errors import UserError
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.search import runs
from kilograd.search.search import Analyst
from networks import blobs, native_model, tiny_graph


@pytest.fixture
def task(tmp_path):
    """A model and a pack of its inputs."""
    model = native_model().write(tmp_path / "m.npz")
    inputs, labels = blobs(tiny_graph(tmp_path), 80, classes=4)
    data = tmp_path / "d.npz"
    np.savez(data, inputs=inputs, labels=labels, split=(np.arange(80) % 5) // 4)
    return model, data


def run(kilograd, task, tmp_path, *options):
    model, data = task
    output = ("-o", tmp_path / "found.toml", "--method", "fisher")
    return kilograd("search", model, "--data", data, *output, "--json", *options)


@pytest.mark.thorough
def test_a_found_scheme_fits_when_it_is_measured(kilograd, task, tmp_path):
    outcome = run(kilograd, task, tmp_path, "--sram", "16KB")
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert found["sram_total_bytes"] <= 16 * 1024 == found["budget"]
    assert found["is_optimal"]
    assert found["biases"] or found["weights"]
    text = (tmp_path / "found.toml").read_text(encoding="utf-8")
    assert "# Found by kilograd" in text
    assert f"#   d, SHA-256 {found['data']['d'][:16]}" in text
    options = ("--classes", 4, "--scheme", tmp_path / "found.toml", "--sram", "16KB", "--json")
    measured = kilograd("measure", task[0], *options)
    assert measured.code == 0, measured.err
    assert measured.json["sram_total_bytes"] == found["sram_total_bytes"]
    graph = load_model(str(task[0]), 4)
    assert load_scheme(str(tmp_path / "found.toml"), graph).name == "found"


def test_a_front_has_a_file_for_each_budget(kilograd, task, tmp_path):
    model, data = task
    page = tmp_path / "page.html"
    options = ("--method", "fisher", "--pareto", "12KB..24KB", "--json", "-o", tmp_path / "front")
    outcome = kilograd("search", model, "--data", data, *options, "--report", page)
    assert outcome.code == 0, outcome.err
    front = outcome.json["front"]
    assert [one["budget"] for one in front] == [12 << 10, 16 << 10, 24 << 10]
    gains = [one["gain"] for one in front]
    assert gains == sorted(gains)
    assert all(one["sram_total_bytes"] <= one["budget"] for one in front)
    for one in front:
        assert (tmp_path / "front" / f"{one['scheme']}.toml").is_file()
    shown = page.read_text(encoding="utf-8")
    assert outcome.json["report"] == str(page)
    assert "The best scheme for each budget" in shown
    assert all(f"{one['sram_total_bytes']:,}" in shown for one in front)


@pytest.mark.thorough
def test_a_measured_front_says_what_each_scheme_had_right(kilograd, task, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "cache_directory", lambda: tmp_path / "cache")
    model, data = task
    options = ("--pareto", "12KB..16KB", "--json", "-o", tmp_path / "front")
    outcome = kilograd("search", model, "--data", data, *options)
    assert outcome.code == 0, outcome.err
    less, more = outcome.json["front"]
    for one in (less, more):
        text = (tmp_path / "front" / f"{one['scheme']}.toml").read_text(encoding="utf-8")
        assert f"front: {one['held_back_accuracy']:.1%} of held-back training samples" in text
    same = (less["biases"], less["weights"]) == (more["biases"], more["weights"])
    assert same == (less["sram_total_bytes"] == more["sram_total_bytes"])
    assert "that were held back" in " ".join(outcome.err.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--sram", "1KB"), "the smallest possible plan takes"),
        (("--sram", "9MB"), "--sram: cortex-m7 has"),
        (("--sram", "lots"), "--sram: 'lots' is not a size"),
        (("--method", "guess"), "--method: there is no method 'guess'"),
        (("--instructions", "many"), "--instructions: 'many' is not a number"),
        (("--instructions", "1"), "the smallest possible plan takes"),
        (("--pareto", "48KB"), "--pareto: '48KB' is no range of sizes"),
        (("--pareto", "48KB..32KB"), "--pareto: the range must rise"),
        (("--pareto", "12KB..16KB", "--sram", "16KB"), "--pareto: a front has budgets of its own"),
        (("--target", "portable"), "portable is not a microcontroller"),
        (("--method", "measured", "--cluster", "dask://127.0.0.1:9"), "does not answer"),
        (("--limit", "2"), "training samples for 4 classes"),
    ],
)
def test_bad_input_is_explained_and_nothing_is_written(kilograd, task, tmp_path, options, message):
    outcome = run(kilograd, task, tmp_path, *options)
    assert outcome.code == 2
    assert message in " ".join(outcome.err.split())
    assert outcome.out == ""
    assert not (tmp_path / "found.toml").exists()


def test_a_method_that_is_not_there():
    with pytest.raises(UserError) as caught:
        Analyst("magic")
    assert "choose measured or fisher" in str(caught.value)


@pytest.mark.slow
def test_the_fisher_search_of_a_published_network_fits(kilograd, published, tmp_path):
    model = published("mcunet-5fps")
    data = model.parents[1] / "data" / "flowers17_128.npz"
    if not data.is_file():
        pytest.skip("the data packs are not here")
    options = ("--sram", "64KB", "--stream-input", "--method", "fisher", "--limit", 170, "--json")
    outcome = kilograd("search", model, "--data", data, *options, "-o", tmp_path / "s.toml")
    assert outcome.code == 0, outcome.err
    assert outcome.json["sram_total_bytes"] <= 64 * 1024
    assert len(outcome.json["weights"]) > 1
