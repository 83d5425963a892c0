"""--order, --memory and --consolidate: what people see, and what they are told."""

import numpy as np
import pytest

from networks import blobs, native_model, tiny_graph

NAMES = ("red", "green", "blue")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    inputs, labels = blobs(tiny_graph(folder, fresh_classes=3), 90, classes=3)
    split = (np.arange(90) % 5 == 4).astype(np.int8)
    np.savez(
        folder / "blobs.npz",
        inputs=inputs,
        labels=labels,
        split=split,
        class_names=np.array(NAMES),
    )
    return folder / "blobs.npz"


@pytest.fixture
def stream(kilograd, model, pack):
    def run(*options):
        return kilograd("train", model, "--data", pack, "--stream", "--lr", 0.01, *options)

    return run


def test_a_memory_remembers_what_came_before(stream, tmp_path):
    report = tmp_path / "r.html"
    without = stream("--order", "sorted", "--json").json
    outcome = stream("--order", "sorted", "--memory", "5/class", "--report", report, "--json")
    found = outcome.json
    assert found["accuracy_after"] > without["accuracy_after"] + 0.2
    assert found["memory_samples"] == 15
    assert found["stream"]["memory"]["counts"] == [5, 5, 5]
    assert found["stream"]["memory"]["consolidation"] == 72
    assert found["stream"]["order"] == "sorted"
    assert found["steps"] == found["stream"]["memory"]["replays"] + 72 + steps_on_the_way(found)
    assert "room for 15 samples" in report.read_text()
    assert "memory_bytes" not in without


def steps_on_the_way(found):
    """One for each sample but those that came while there was one class."""
    return found["stream"]["memory"]["replays"]


def test_the_same_bits_on_every_device(stream):
    options = ("--order", "sorted", "--memory", "3/class", "--limit", 24, "--json")
    digests = {stream(*options, "--device", name).json["state_digest"] for name in DEVICES}
    assert len(digests) == 1


DEVICES = ("host", "reference", "unicorn")


def test_a_size_and_no_consolidation(stream):
    outcome = stream("--memory", "8KB@sram", "--consolidate", 0)
    found = stream("--memory", "8KB,2/class", "--consolidate", 0, "--json").json
    assert found["stream"]["memory"]["consolidation"] == 0
    assert found["memory_samples"] == 6
    assert found["memory_bytes"] <= 8192
    assert "and 0 at the end" in " ".join((outcome.out + outcome.err).split())


def test_measure_counts_it(kilograd, model):
    base = ("measure", model, "--scheme", "last:3", "--classes", 3)
    without = kilograd(*base, "--json").json
    found = kilograd(*base, "--memory", "4KB", "--json").json
    memory = found["memory"]
    assert memory["samples"] == 4096 // memory["sample_bytes"]
    assert found["sram_total_bytes"] >= without["sram_total_bytes"] + memory["bytes"]
    shown = " ".join(kilograd(*base, "--memory", "4KB").out.split())
    assert f"memory {memory['samples']} samples of {memory['sample_bytes']:,} bytes" in shown
    assert "were all frozen before blocks" in shown


def test_verify_compares_it(kilograd, model):
    base = ("verify", model, "--scheme", "last:3", "--classes", 3, "--devices", "reference,host")
    found = kilograd(*base, "--memory", "8KB", "--json").json
    assert found["identical"]
    assert found["digest"] != kilograd(*base, "--json").json["digest"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--memory", "40"), "--memory: 40 bytes hold 1 of these samples, which take"),
        (("--memory", "many"), "--memory: 'many' is not a size"),
        (("--memory", "0/class"), "--memory: 0 samples of a class are no memory"),
        (("--memory", "4KB,8KB"), "names two sizes"),
        (("--memory", "3/class,4/class"), "limits classes twice"),
        (("--memory", "4KB@flash"), "--memory: samples are kept in SRAM here, not in 'flash'"),
        (("--consolidate", 5), "--consolidate: there is nothing to consolidate"),
        (("--order", "random"), "--order: there is no order 'random'"),
        (("--memory", "4KB", "--repeats", 2), "--repeats: with a memory, samples are learned from"),
    ],
)
def test_what_cannot_be_is_refused(stream, options, said):
    stream(*options).refused(said)


def test_options_of_a_stream_need_one(kilograd, model, pack):
    for options in (("--order", "sorted"), ("--memory", "4KB"), ("--consolidate", 3)):
        refusal = kilograd("train", model, "--data", pack, *options)
        refusal.refused(f"{options[0]}: this is an option of a stream")
