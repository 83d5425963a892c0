"""The memory ledger: what is measured anew is no more than it says."""

import json
from pathlib import Path

import memory
import numpy as np
import pytest
from cells import Cell, run_cell
from ledgers import read_ledger
from memory_tables import Name
from packs import PACKS, checkpoint

from kilograd.compiler import Optimization
from kilograd.device.host import HostDevice
from kilograd.device.protocol import LearningRate
from kilograd.frontend.open import load_model
from kilograd.measuring.ablation import planned
from kilograd.scheme import load_scheme
from kilograd.toolchain import build_host_library

SHARED = Path(__file__).parents[2] / "shared"
ROWS = {row.key: row for row in memory.rows()}
QUICK = ("proxyless-w0.3 | 64kb | streamed | 10", "mcunet-5fps | 49kb | streamed | 10")

needs_models = pytest.mark.skipif(not SHARED.is_dir(), reason="the checkpoints are not here")


@pytest.fixture(scope="module")
def ledger():
    return read_ledger(memory.LEDGER)


def test_every_row_is_there_and_adds_up(ledger):
    assert set(ledger["sram"]) == set(ROWS)
    for key, row in ledger["sram"].items():
        parts = ("arena", "trainable", "data_bss", "stack")
        assert row["sram_total_bytes"] == sum(row[part] for part in parts), key
        assert row["lower_bound_bytes"] <= row["arena"], key


def test_streaming_takes_less(ledger):
    for key, row in ledger["sram"].items():
        if Name.of(key).how == "streamed":
            held = ledger["sram"][key.replace("streamed", "held")]
            assert row["sources"] != held["sources"], key
            assert row["sram_total_bytes"] < held["sram_total_bytes"], key


def test_weights_are_trained_within_64_kb(ledger):
    row = ledger["sram"][QUICK[0]]
    assert memory.SMALL == "proxyless-w0.3/64kb"
    assert row["sram_total_bytes"] <= 65536
    assert (
        row["trainable"] > 4 * ledger["sram"]["proxyless-w0.3 | head | streamed | 10"]["trainable"]
    )


def test_what_is_learned_within_64_kb_is_more_than_by_the_head(ledger):
    found = {"64kb": [], "head": []}
    for key, row in ledger["accuracy"].items():
        found[key.split(" | ")[2].rpartition("/")[2]].append(row["accuracy"])
    assert len(found["64kb"]) == len(found["head"]) == len(PACKS) * len(memory.SEEDS)
    assert sum(found["64kb"]) > sum(found["head"]) + 0.02 * len(found["head"])


@needs_models
@pytest.mark.parametrize(
    "key",
    [*QUICK, *(pytest.param(key, marks=pytest.mark.slow) for key in ROWS if key not in QUICK)],
)
def test_no_figure_grows(ledger, key):
    known = ledger["sram"][key]
    found = memory.measure_row(ROWS[key])
    grown = [
        f"{figure} grew from {known[figure]:,} to {found[figure]:,}"
        for figure in memory.FIGURES
        if found[figure] > known[figure]
    ]
    assert not grown, f"{key}: {'; '.join(grown)} (intended: python bench/memory.py)"


@needs_models
def test_all_levers_together_are_the_compiler(ledger):
    name = "mcunet-5fps/49kb"
    graph = load_model(checkpoint("mcunet-5fps"), 10)
    found = planned(graph, load_scheme(name, graph), list(Optimization))
    plan = ROWS[QUICK[1]].program().plan
    assert (found.arena, found.trainable) == (plan.arena_bytes, plan.state_bytes)
    known = ledger["optimizations"][name]["added"]
    assert [row["name"] for row in known] == ["none", *Optimization]
    assert found.arena <= known[-1]["arena"]


def test_no_part_costs_memory_alone(ledger):
    """But for one: in slices, 49kb's weights keep a saved activation waiting for their step."""
    costs = {("mcunet-5fps/49kb", Optimization.SLICES.value): 516}
    for scheme, found in ledger["optimizations"].items():
        full = found["added"][-1]
        assert [row["name"] for row in found["left_out"]] == list(Optimization)
        for row in found["left_out"]:
            assert row["arena"] >= full["arena"] - costs.get((scheme, row["name"]), 0), row


def test_the_work_grows_by_less_than_a_tenth(ledger):
    """Beside the same step with every layer whole and run once."""
    assert len(ledger["work"]) == 10
    for name, whole in ledger["work"].items():
        model, _, scheme = name.partition("/")
        assert whole["macs_recomputed"] <= 0.05 * whole["macs"], name
        for how in ("held", "streamed"):
            row = ledger["sram"][f"{model} | {scheme} | {how} | 10"]
            before, after = whole["instructions_train_step"], row["instructions_train_step"]
            assert after <= 1.1 * before, f"{name} {how}"
            assert row["sram_total_bytes"] < 0.7 * whole["sram_total_bytes"], f"{name} {how}"


@needs_models
def test_a_streamed_sample_teaches_the_same_bits():
    """The accuracies are of the held program, the SRAM of the 64 KB is of the streamed one."""
    generator = np.random.default_rng(0)
    samples = generator.integers(-128, 128, (8, 128, 128, 3)).astype(np.int8)
    states = []
    for streamed in (False, True):
        program = memory.Row("proxyless-w0.3", memory.SMALL, streamed, 10).program()
        with HostDevice(build_host_library(program.sources).path) as device:
            device.initialize(0)
            for label, sample in enumerate(samples):
                device.train_step(sample, label, LearningRate.from_float(0.0015, 100))
            states.append(device.read_state())
    assert states[0] == states[1]


@needs_models
@pytest.mark.slow
def test_a_cell_reproduces_to_the_digit(ledger):
    path = SHARED / "data" / PACKS["oxford_pets3"].file
    cell = Cell(checkpoint("proxyless-w0.3"), path, memory.SMALL, "device")
    (row,) = run_cell(cell, (0,))
    assert row["accuracy"] == ledger["accuracy"][cell.key(0)]["accuracy"]


def test_a_row_is_kept_only_for_the_same_sources(monkeypatch):
    monkeypatch.setattr(memory, "checkpoint", lambda _: "kilograd-48")
    row = memory.Row("mcunet-5fps", "head", streamed=True, classes=2)
    first = memory.measure_row(row)
    assert memory.measure_row(row, first) is first
    other = {**first, "sources": "another compiler's"}
    assert memory.measure_row(row, other) == first


def test_a_wrong_part_is_told():
    with pytest.raises(SystemExit, match="no such part: sramm; known: sram, work, optimizations"):
        memory.main(["sramm"])


def test_the_ledger_is_as_written(ledger):
    text = json.dumps(ledger, indent=1, sort_keys=True) + "\n"
    assert memory.LEDGER.read_text() == text
