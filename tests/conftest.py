"""Options and fixtures that all tests share."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from kilograd import cli
from kilograd.device.qemu import qemu_available
from kilograd.targets import get_target

# Machines are noisy: no test may fail for being slow, and a run must be repeatable elsewhere.
settings.register_profile("kilograd", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("kilograd")

GOLDEN = Path(__file__).parent / "golden"
MODELS = Path(__file__).parents[2] / "shared" / "models"


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew; review the diff"
    )


@pytest.fixture
def golden(request):
    """Compares a text with a file of tests/golden."""

    def compare(name, text):
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8"), "see pytest --update-golden"

    return compare


@dataclass(frozen=True)
class Outcome:
    """What a run of the command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """Standard output, which holds one JSON object on one line and nothing else."""
        assert self.code == 0, self.err
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    def refused(self, *texts):
        """One message with these texts, exit code 2, no traceback, nothing on standard output."""
        assert self.code == 2, self.err
        assert self.out == ""
        assert "Traceback" not in self.err
        assert self.err.count("error: ") == 1, self.err
        for text in texts:
            assert text in self.err, self.err
        return self


@pytest.fixture
def kilograd(monkeypatch, capsys):
    """Runs the command line in this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kilograd", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def command(kilograd):
    """The same: exit code, the JSON on standard output, and what is on standard error."""

    def run(*arguments):
        done = kilograd(*arguments)
        return done.code, json.loads(done.out) if done.out else None, done.err

    return run


@pytest.fixture(scope="session")
def published():
    """Path of a published checkpoint; skips where it is not at hand."""

    def find(name):
        path = MODELS / f"{name}.pkl"
        if not path.is_file():
            pytest.skip(f"no published checkpoints at {MODELS}")
        return path

    return find


@pytest.fixture(scope="session")
def require_qemu():
    """Skips without QEMU, unless the environment says that it must be there."""
    if (
        not qemu_available(get_target("cortex-m7"))
        and os.environ.get("KILOGRAD_REQUIRE_QEMU") != "1"
    ):
        pytest.skip("qemu-system-arm is not installed")
