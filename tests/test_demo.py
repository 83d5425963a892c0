"""The main job: a backbone that ships learns faces inside an emulated Cortex-M7."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from kilograd.cli.demo import SRAM_BUDGET, run_demo
from kilograd.data.faces import faces_dataset
from kilograd.frontend.open import EMBEDDED, input_spec, load_model

BACKBONE = files("kilograd") / "backbones" / f"{EMBEDDED}.npz"
pytestmark = pytest.mark.skipif(
    not BACKBONE.is_file(), reason=f"the embedded backbone is not there yet: {BACKBONE}"
)


def check(result, report):
    assert 0.35 <= result["accuracy_before"] <= 0.65
    assert result["accuracy_after"] >= 0.85
    assert result["accuracy_after"] >= result["accuracy_before"] + 0.20
    assert result["train_samples"] == result["test_samples"] == 100
    assert np.sum(result["confusion_after"], axis=1).tolist() == [50, 50]
    assert len(result["state_digest"]) == 64
    page = report.read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert result["state_digest"] in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "src=" not in page.replace('src="data:', "")


def test_the_backbone_is_small():
    assert len(BACKBONE.read_bytes()) <= 400 * 1024
    folder = files("kilograd") / "backbones"
    cards = [path.read_text(encoding="utf-8") for path in folder.iterdir() if path.suffix == ".md"]
    assert any(EMBEDDED in card for card in cards), "a model card belongs beside the backbone"


def test_the_crops_are_split_in_halves():
    spec = input_spec(load_model(EMBEDDED))
    data, again, other = (faces_dataset(spec, seed) for seed in (0, 0, 1))
    for part in (data.train, data.test):
        assert part.labels.tolist().count(1) == 50
        assert part.inputs.shape == (100, *spec.shape)
    assert np.array_equal(data.train.inputs, again.train.inputs)
    assert not np.array_equal(data.train.inputs, other.train.inputs)
    crops = {sample.tobytes() for part in (data.train, data.test) for sample in part.inputs}
    assert len(crops) == 200


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_simulator_learns_faces(tmp_path, seed):
    """Device host: the same bits as the emulator, in seconds."""
    report = tmp_path / "report.html"
    result = run_demo(Console(stderr=True), report=report, epochs=3, seed=seed, device="host")
    check(result, report)


@pytest.mark.thorough
def test_the_demo(kilograd, tmp_path, monkeypatch):
    """One of its three epochs, emulated."""
    monkeypatch.chdir(tmp_path)
    outcome = kilograd("demo", "--json", "--epochs", 1)
    result = outcome.json
    check(result, Path("report.html"))
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert result["device"] == "unicorn"
    assert result["steps"] == 100
    assert 0 < result["sram_total_bytes"] <= SRAM_BUDGET
    assert result["instructions_train_step"] > 0
    for text in ("SRAM", "instructions", "accuracy"):
        assert text in outcome.err


@pytest.mark.slow
def test_the_whole_demo(kilograd, tmp_path):
    report = tmp_path / "faces.html"
    result = kilograd("demo", "--json", "--output", report).json
    check(result, report)
    simulated = run_demo(
        Console(stderr=True), report=tmp_path / "host.html", epochs=3, seed=0, device="host"
    )
    assert simulated["state_digest"] == result["state_digest"]
