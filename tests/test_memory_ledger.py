"""The memory ledger: what is measured anew is no more than it says."""

import numpy as np
import pytest

from experiments.common.cells import Cell, run_cell
from experiments.common.ledgers import read_ledger
from experiments.common.packs import pack_path
from experiments.common.paths import SHARED, checkpoint
from experiments.common.programs import BOARD
from experiments.memory import LEDGER
from experiments.memory import run as memory
from kilograd.compiler import Optimization
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.frontend.open import load_model
from kilograd.measuring.ablation import planned
from kilograd.scheme import load_scheme
from kilograd.targets import get_target

ROWS = {row.key: row for row in memory.rows()}
QUICK = ("proxyless-w0.3 | 64kb | streamed | 10", "mcunet-5fps | 49kb | streamed | 10")

needs_models = pytest.mark.skipif(not SHARED.is_dir(), reason="the checkpoints are not here")


@pytest.fixture(scope="module")
def ledger():
    return read_ledger(LEDGER)


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
    assert not grown, f"{key}: {'; '.join(grown)} (intended: python -m experiments.memory.run)"


@pytest.mark.thorough
@needs_models
def test_all_optimizations_together_are_the_compiler(ledger):
    name = "mcunet-5fps/49kb"
    graph = load_model(checkpoint("mcunet-5fps"), 10)
    found = planned(graph, load_scheme(name, graph), get_target(BOARD), list(Optimization))
    plan = ROWS[QUICK[1]].program().plan
    assert (found.arena, found.trainable) == (plan.arena_bytes, plan.state_bytes)
    assert found.arena <= ledger["optimizations"][name]["added"][-1]["arena"]


@pytest.mark.thorough
@needs_models
def test_a_streamed_sample_teaches_the_same_bits():
    """The accuracies are of the held program, the SRAM of the 64 KB is of the streamed one."""
    generator = np.random.default_rng(0)
    samples = generator.integers(-128, 128, (8, 128, 128, 3)).astype(np.int8)
    states = []
    for streamed in (False, True):
        program = memory.Row("proxyless-w0.3", memory.SMALL, streamed, 10).program()
        with open_device(program, "host") as device:
            device.initialize(0)
            for label, sample in enumerate(samples):
                device.train_step(sample, label, LearningRate.from_float(0.0015, 100))
            states.append(device.read_state())
    assert states[0] == states[1]


@needs_models
@pytest.mark.slow
def test_a_cell_reproduces_to_the_digit(ledger):
    cell = Cell(checkpoint("proxyless-w0.3"), pack_path("oxford_pets3"), memory.SMALL, "device")
    (row,) = run_cell(cell, (0,))
    assert row["accuracy"] == ledger["accuracy"][cell.key(0)]["accuracy"]


@pytest.mark.thorough
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
