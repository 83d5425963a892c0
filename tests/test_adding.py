"""What the pages say is done: an operator and a target are added to a copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import kilograd
from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library

ROOT = Path(__file__).parents[1]
ADDED = ROOT / "tests" / "adding"
ROOM = Path("src", "kilograd", "ops", "halving")
OPERATORS = ("halving", "halving_input_gradient")
#: Shapes that each of them is tested on.
CASES = 4
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]
LEFT_OUT = shutil.ignore_patterns(".venv", "build", "__pycache__", ".git", "*.egg-info")


@pytest.fixture
def copy(tmp_path):
    """The repository with the room of halving, the lines that register it, and the target."""
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=LEFT_OUT)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ADDED / "halving", tmp_path / ROOM)
    rooms = tmp_path / ROOM.parent / "__init__.py"
    replace(
        rooms,
        "\n    lookup,\n    loss,\n    multiply",
        "\n    halving,\n    lookup,\n    loss,\n    multiply",
    )
    replace(rooms, "_ROOMS = (", "_ROOMS = (halving, ")
    shutil.copy(ADDED / "nrf52832.toml", tmp_path / "src" / "kilograd" / "targets")
    return tmp_path


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path.name}: {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def run(copy, *arguments):
    """Python in the copy, with the copy's kilograd."""
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )


@dataclass(frozen=True)
class Outcome:
    """Tests of one file: how many were run for each operator, and names of those that failed."""

    counts: dict[str, int]
    failed: list[str]


def registry_tests(copy):
    """What the tests that follow from the registry say of the new operators, by file."""
    report = copy / "report.xml"
    options = ("-p", "no:cacheprovider", "-q", "-n", "0", "-k", "halving", "--junitxml", report)
    files = ("test_operators", "test_operator_gradients")
    done = run(copy, "-m", "pytest", *options, *(f"tests/{file}.py" for file in files))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    cases = list(ET.parse(report).iter("testcase"))
    assert not [case for case in cases if case.find("skipped") is not None]
    outcomes = {}
    for file in files:
        own = [case for case in cases if case.get("classname").endswith(file)]
        names = [case.get("name") for case in own]
        counts = {operator: sum(f"{operator}-" in n for n in names) for operator in OPERATORS}
        bad = [c for c in own if c.find("failure") is not None or c.find("error") is not None]
        outcomes[file] = Outcome(counts, [case.get("name") for case in bad])
    return outcomes


@pytest.mark.thorough
def test_the_new_operator_and_target_work(copy):
    where = run(copy, "-c", "import kilograd; print(kilograd.__file__)").stdout.strip()
    assert Path(where) == copy / "src" / "kilograd" / "__init__.py"
    outcomes = registry_tests(copy)
    assert not any(outcome.failed for outcome in outcomes.values()), outcomes
    assert all(outcomes["test_operators"].counts[operator] >= CASES for operator in OPERATORS)
    assert outcomes["test_operator_gradients"].counts["halving"] >= CASES
    trained = run(copy, "tests/adding/small_network.py", "nrf52832")
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.startswith("nrf52832: ")


@pytest.mark.thorough
def test_a_wrong_gradient_is_found_even_where_python_and_c_agree(copy):
    replace(
        copy / ROOM / "op.py",
        "largest = windows(x).argmax(axis=-1)",
        "largest = np.zeros(gradient.shape, np.int64)",
    )
    replace(
        copy / ROOM / "kernels" / "kg_halving_input_gradient_plain.c",
        "result[i + kg_halving_largest(p, x + i)] = *gradient++;",
        "result[i + 0 * x[i]] = *gradient++;",
    )
    outcomes = registry_tests(copy)
    assert not outcomes["test_operators"].failed
    assert outcomes["test_operators"].counts["halving_input_gradient"] >= CASES
    assert any("halving" in name for name in outcomes["test_operator_gradients"].failed)


def blocks(page, language):
    """The code on a page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def bare(text):
    """Without spaces and line breaks."""
    return "".join(text.split())


def test_the_pages_show_the_files():
    assert blocks("adding-a-target.md", "toml") == [(ADDED / "nrf52832.toml").read_text()]
    page = (ROOT / "docs" / "adding-an-operator.md").read_text(encoding="utf-8")
    for path in (ADDED / "halving").rglob("*"):
        assert path.is_dir() or path.name in page, path.name
    operator = bare((ADDED / "halving" / "op.py").read_text(encoding="utf-8"))
    shown = [block for block in blocks("adding-an-operator.md", "python") if "uses" not in block]
    assert len(shown) == 3
    for block in shown:
        assert bare(block) in operator, block


def test_a_target_may_lie_anywhere():
    graph = load_model("kilograd-48", 2)
    target = get_target(str(ADDED / "nrf52832.toml"))
    program = compile_model(graph, load_scheme("head", graph), target)
    assert (target.name, target.part) == ("nrf52832", "nRF52832")
    known = get_target("cortex-m4")
    assert program.sources == program.for_target(known).sources


#: What the examples of integration find in an application.
APPLICATION = {
    "FreeRTOS.h": "",
    "task.h": "#define taskYIELD() ((void)0)\n",
    "application.c": """\
#include <stdint.h>

void serve_radio(void), read_buttons(void), kick_watchdog(void);
int sample_is_there(void);
int32_t label_of_the_sample(void);
void __attribute__((weak)) kg_yield(void) {}
void serve_radio(void) {}
void read_buttons(void) {}
void kick_watchdog(void) {}
int sample_is_there(void) { return 0; }
int32_t label_of_the_sample(void) { return 0; }
""",
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("index", "row_input"), [(0, False), (1, False), (2, False), (3, True), (3, False)]
)
def test_the_example_of_integration_compiles(index, row_input, tmp_path):
    graph = load_model("kilograd-48", 2)
    scheme = load_scheme("head", graph)
    program = compile_model(graph, scheme, get_target("host"), row_input=row_input)
    files = [name for name in export_c(program, tmp_path) if re.fullmatch(r"\w+\.[ch]", name)]
    sources = {name: (tmp_path / name).read_text(encoding="utf-8") for name in files}
    example = blocks("integration.md", "c")[index]
    sources = {**sources, **APPLICATION, "example.c": example}
    assert build_host_library(sources, extra_flags=["-DKG_YIELD"]).path.is_file()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("page", "printed"),
    [("debugging-a-mismatch.md", "values are equal"), ("python-api.md", "same bits: True")],
)
def test_the_python_of_a_page_runs(page, printed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile("".join(blocks(page, "python")), page, "exec"), {})
    assert printed in capsys.readouterr().out


def test_the_page_on_python_names_what_is_public():
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    assert not [name for name in kilograd.__all__ if name[0] != "_" and name not in page]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose)}
    local = {link for link in links if link and "://" not in link}
    assert not [link for link in local if not (page.parent / link).exists()]


def test_the_readme_leads_to_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [p.name for p in PAGES if p.parent != ROOT and f"(docs/{p.name})" not in text]
