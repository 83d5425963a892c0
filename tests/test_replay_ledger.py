"""Streams with a memory give what their ledger says, to the bit."""

import pytest

from experiments.common.ledgers import read_ledger
from experiments.common.packs import load_pack, pack_path
from experiments.common.paths import checkpoint
from experiments.common.programs import compiled, open_cached
from experiments.online.run import Cell
from experiments.replay import LEDGER
from experiments.replay.run import MODEL, SCENARIOS, run

DATA = "oxford_pets3"


@pytest.fixture(scope="module")
def setting(published):
    published(MODEL)
    if not pack_path(DATA).is_file():
        pytest.skip("no data packs beside the repository")
    dataset = load_pack(pack_path(DATA), checkpoint(MODEL))
    program = compiled(checkpoint(MODEL), "head", len(dataset.class_names))
    with open_cached(program) as device:
        yield dataset, program, device


@pytest.mark.thorough
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_cell_of_the_ledger(setting, scenario):
    cell = Cell(DATA, "head", scenario)
    assert run(cell, 0, *setting) == read_ledger(LEDGER)["runs"][cell.key(0)]
