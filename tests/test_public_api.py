"""The public interface, and the example of it that README.md shows, run as it stands."""

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
