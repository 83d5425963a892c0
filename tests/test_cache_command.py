"""The cache is shown and cleared."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "cache"

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", "from kilograd.cli import main; main()", "cache", *arguments],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "KILOGRAD_CACHE": str(folder)},
        )

    run.folder = folder
    return run


def fill(folder):
    for name, size in (
        ("object/a.o", 100),
        ("zig/x/y", 20),
        ("models/m.pkl", 7),
        ("search/1/r", 3),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))


def test_it_is_shown(run):
    fill(run.folder)
    result = json.loads(run("--json").stdout)
    assert result["path"] == str(run.folder)
    assert result["bytes"] == 130
    assert result["folders"]["object"] == {"files": 1, "bytes": 100}
    assert result["folders"]["firmware"] == {"files": 0, "bytes": 0}
    shown = run()
    assert "published checkpoints that were downloaded" in shown.stdout
    assert shown.stderr == ""


def test_what_is_made_again_is_cleared(run):
    fill(run.folder)
    done = run("--clear", "--json")
    assert "120 bytes were freed" in done.stderr.replace("\n", " ")
    assert json.loads(done.stdout)["bytes"] == 10
    assert (run.folder / "models" / "m.pkl").exists()
    assert not (run.folder / "object").exists()


def test_all_of_it_is_cleared(run):
    fill(run.folder)
    assert json.loads(run("--all", "--json").stdout)["bytes"] == 0
    assert json.loads(run("--all", "--json").stdout)["bytes"] == 0
