"""The public interface, and the example of it that README.md shows, run as it stands."""

import ast
import re
from pathlib import Path

import pytest

import kilograd

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("name", kilograd.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(kilograd, name)
    assert name.startswith("__") or value.__doc__


def test_a_name_that_is_not_public():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kilograd.nothing
    assert "compile_model" in dir(kilograd)


def test_the_example_of_the_readme(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert re.match(r"accuracy: 50\.0% before, 9\d\.\d% after\nSRAM: \d+,\d+ bytes", printed)
    assert printed.endswith("same bits: True\n")


def test_without_a_target_a_program_is_for_this_computer():
    model = kilograd.load_model("kilograd-motion", classes=2)
    scheme = kilograd.load_scheme("head", model)
    assert kilograd.compile_model(model, scheme).target == kilograd.get_target("host")


def texts_of_errors(path):
    """What the errors that a module raises say of where and of what would help."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg in ("where", "hint"):
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_errors_of_the_library_name_no_option_of_the_command_line():
    package = Path(kilograd.__file__).parent
    options = {}
    for path in package.rglob("*.py"):
        if "cli" not in path.relative_to(package).parts:
            named = [text for text in texts_of_errors(path) if re.search(r"(^|\s)--[a-z]", text)]
            named = [text for text in named if not text.startswith("pip ")]
            if named:
                options[path.name] = named
    assert options == {}


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_a_text_or_a_path(kind, tmp_path):
    """Nothing ends in a traceback because of which of the two it is."""
    model = kilograd.load_model("kilograd-motion", classes=2)
    program = kilograd.compile_model(model, kilograd.load_scheme("head", model))
    kilograd.export_c(program, kind(tmp_path / "library"))
    board = kilograd.compile_model(
        model, kilograd.load_scheme("head", model), kilograd.get_target("cortex-m4")
    )
    kilograd.export_zip(board, kind(tmp_path / "library.zip"))
    kilograd.export_weights(program, kind(tmp_path / "weights.npz"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("library", "library.zip", "weights.npz")
    ]
    for load in (
        kilograd.load_model,
        lambda path: kilograd.load_scheme(path, model),
        lambda path: kilograd.load_dataset(path, kilograd.input_spec(model)),
    ):
        with pytest.raises(kilograd.KilogradError, match=r"nothing\.toml"):
            load(kind(tmp_path / "nothing.toml"))
