"""kilograd train says what it learns from before it begins."""

import re

import numpy as np
import pytest
import soundfile
from PIL import Image
from rich.console import Console

from kilograd.cli.data_report import data_lines, data_summary, show_data
from kilograd.data import Dataset, Samples
from kilograd.data.samples import Skipped
from kilograd.ir import LabelKind


@pytest.fixture
def flowers(tmp_path):
    """20 and 8 images, and three files that cannot be read."""
    for name, count in (("daisy", 20), ("tulip", 8)):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        for index in range(count):
            image = Image.new("RGB", (8, 8), (9 * index, 9, 9))
            image.save(tmp_path / "flowers" / name / f"{index:02}.png")
    return tmp_path / "flowers"


def damage(root):
    for name in ("daisy/x.heic", "daisy/y.png", "tulip/z.jpg"):
        (root / name).write_bytes(b"no image")
    return root


def train(kilograd, data, *options):
    return kilograd("train", "kilograd-48", "--data", data, "--device", "reference", "--limit", 28,
                    *options)  # fmt: skip


def test_the_report_comes_before_training(kilograd, flowers):
    outcome = train(kilograd, flowers)
    assert outcome.code == 0, outcome.err
    assert outcome.err.startswith("daisy 20 (15 train / 5 test)\ntulip 8 (6 train / 2 test)\n")


def test_broken_files_are_named_with_the_option_that_leaves_them_out(kilograd, flowers):
    train(kilograd, damage(flowers)).refused(
        f"error: {flowers}: 3 of 31 images cannot be read: daisy/x.heic (HEIC: convert it to JPEG)",
        "daisy/y.png (does not decode), tulip/z.jpg (does not decode)",
        "hint: replace them or take them out; --skip-broken leaves out what cannot be read",
    )


def test_skipped_files_are_said(kilograd, flowers):
    outcome = train(kilograd, damage(flowers), "--skip-broken")
    assert outcome.code == 0, outcome.err
    assert outcome.err.startswith(
        "daisy 20 (15 train / 5 test), 2 skipped\n"
        "tulip 8 (6 train / 2 test), 1 skipped\n"
        "skipped 3: daisy/y.png (does not decode), tulip/z.jpg (does not decode), "
        "daisy/x.heic (HEIC: convert it to JPEG)\n"
    )


@pytest.mark.thorough
def test_skipped_files_of_a_test_are_said(kilograd, flowers, tmp_path):
    state = tmp_path / "a.kgs"
    assert train(kilograd, flowers, "--save", state).code == 0
    options = ("evaluate", "kilograd-48", "--state", state, "--data", damage(flowers))
    kilograd(*options).refused("daisy/x.heic", "--skip-broken leaves out")
    outcome = kilograd(*options, "--skip-broken")
    assert outcome.code == 0, outcome.err
    said = "daisy/x.heic (HEIC: convert it to JPEG)"
    assert outcome.out.startswith("skipped ")
    assert said in outcome.out.splitlines()[0]
    quiet = kilograd(*options, "--skip-broken", "--json")
    assert "daisy/x.heic" in [one["file"] for one in quiet.json["skipped"]]
    assert said not in quiet.err


def test_skipped_files_of_a_search_are_said(kilograd, flowers, tmp_path):
    output = tmp_path / "found.toml"
    options = ("search", "kilograd-48", "--data", damage(flowers), "-o", output, "--sram", "1KB")
    kilograd(*options).refused("daisy/x.heic", "--skip-broken leaves out")
    outcome = kilograd(*options, "--skip-broken")
    assert outcome.code == 2
    assert outcome.err.startswith("skipped ")
    assert "daisy/x.heic (HEIC: convert it to JPEG)" in outcome.err.splitlines()[0]
    assert not output.exists()


def test_json_has_the_same_and_is_quiet(kilograd, flowers):
    outcome = train(kilograd, damage(flowers), "--skip-broken", "--json")
    assert "daisy 20" not in outcome.err
    samples = outcome.json["samples"]
    assert samples["classes"] == {
        "daisy": {"train": 15, "test": 5, "skipped": 2},
        "tulip": {"train": 6, "test": 2, "skipped": 1},
    }
    assert samples["skipped"][0] == {
        "file": "daisy/y.png",
        "reason": "does not decode",
        "class": "daisy",
    }
    assert samples["notes"] == []


def test_what_was_done_to_recordings_is_said(kilograd, tmp_path):
    rng = np.random.default_rng(0)
    for word in ("no", "yes"):
        (tmp_path / word).mkdir()
        for index in range(4):
            wave = rng.normal(0, 0.1, 44100)
            soundfile.write(tmp_path / word / f"{index}.flac", wave, 44100, subtype="PCM_24")
    outcome = kilograd("train", "kilograd-kws", "--data", tmp_path, "--device", "reference")
    assert outcome.code == 0, outcome.err
    assert "no 4 (3 train / 1 test)\n" in outcome.err
    assert "note: 8 of 8 recordings: resampled from 44100 Hz to 8000 Hz\n" in outcome.err


def dataset(names, labels, **fields):
    labels = np.array(labels, np.int32)
    samples = Samples(np.zeros((len(labels), 1, 1, 1), np.int8), labels)
    return Dataset("made", samples, Samples(samples.inputs[:0], labels[:0]), names, **fields)


def test_sets_of_labels_count_for_each_of_them():
    data = dataset(("person", "dog"), [0b01, 0b11, 0b00], label_kind=LabelKind.SET)
    assert data_lines(data) == ["person 2 (2 train / 0 test)", "dog 1 (1 train / 0 test)"]


def test_a_long_report_is_cut():
    names = tuple(f"class {number}" for number in range(100))
    skipped = tuple(Skipped(f"{number}.png", "is empty") for number in range(30))
    data = dataset(names, range(100), skipped=skipped, notes=("this and that",))
    lines = data_lines(data)
    assert len(lines) == 43
    assert lines[40] == "and 60 more classes"
    assert re.fullmatch(r"skipped 30: 0\.png \(is empty\), .* and 20 more", lines[41])
    assert lines[42] == "note: this and that"
    assert len(data_summary(data)["skipped"]) == 30


def test_names_are_printed_as_they_are(capsys):
    show_data(Console(width=20), dataset(("[red]x", "b"), [0, 1]))
    assert capsys.readouterr().out == "[red]x 1 (1 train / 0 test)\nb 1 (1 train / 0 test)\n"
