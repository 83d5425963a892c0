"""The accuracy ledger: its device cells are what the command prints, to the digit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.accuracy import LEDGER, tables
from experiments.common.cells import Cell
from experiments.common.packs import PACKS, pack_of
from experiments.common.paths import ROOT, SHARED


@pytest.fixture(scope="module")
def ledger():
    return json.loads(LEDGER.read_text())


def run(*arguments):
    command = [sys.executable, "-m", "experiments.accuracy.run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.thorough
@pytest.mark.skipif(not SHARED.is_dir(), reason="the data packs are not here")
@pytest.mark.parametrize(
    ("data", "scheme", "seed"),
    [
        ("coco_vww_mini_128", "head", 1),
        pytest.param("flowers17_128", "mcunet-5fps/99kb", 0, marks=pytest.mark.slow),
    ],
)
def test_a_cell_reproduces_to_the_digit(ledger, data, scheme, seed):
    cell = Cell("../shared/models/mcunet-5fps.pkl", Path(f"{data}.npz"), scheme, "device")
    expected = ledger["cells"][cell.key(seed)]
    path = f"../shared/data/{data}.npz"
    done = run(
        *("--model", cell.model, "--data", path, "--scheme", scheme),
        *("--arithmetic", "device", "--seed", seed, "--json"),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    for figure in ("accuracy", "before", "steps", "predictions_digest"):
        assert result[figure] == expected[figure]
    measured = ledger["sram"][f"{Path(cell.model).stem} | {data} | {scheme}"]
    assert {figure: result[figure] for figure in measured} == measured


def test_bad_cells_are_explained():
    done = run("--model", "nothing.pkl", "--data", "none.npz")
    assert done.returncode == 2
    assert "nothing.pkl" in done.stderr
    done = run("--model", "kilograd-48")
    assert done.returncode == 2
    assert "--model and --data go together" in done.stderr


def test_the_tables_show_what_is_known_and_what_is_not():
    rows = {
        f"mcunet-5fps | cifar10 | {scheme} | device | seed {seed}": {
            "accuracy": accuracy,
            "rate": 0.01,
        }
        for scheme, seed, accuracy in (("head", 0, 0.5), ("head", 1, 0.6), ("full", 0, 0.7))
    }
    known = {"cells": rows, "sram": {}}
    line = tables.mcunet(known).splitlines()[2]
    assert line == "| cifar10 | – | 55.0 ± 5.0 | – | – | – | – | – | 70.0 | – | – |"
    assert "| MCUNet 99kb − head | – | – | 0 |" in tables.comparisons({"cells": {}, "sram": {}})


def test_an_unknown_pack_is_used_whole():
    pack = pack_of(Path("somewhere/mine.npz"))
    assert (pack.file, pack.train, pack.test) == ("mine.npz", None, None)
    assert pack_of(Path("x/cifar10_jpeg32.npz")) is PACKS["cifar10"]
