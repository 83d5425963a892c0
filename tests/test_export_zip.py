"""Archives of the folder: the same bytes each time, and no foreign file is touched."""

import zipfile

import pytest

from kilograd import export_c, export_zip
from kilograd.compiler import compile_model
from kilograd.errors import UserError
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import native_model, tiny_graph

NAME = "kilograd_tiny"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    graph = tiny_graph(tmp_path_factory.mktemp("model"))
    return compile_model(graph, load_scheme("head", graph), get_target("portable"))


def test_an_archive_holds_one_folder(program, tmp_path):
    path = tmp_path / "deep" / "any.zip"
    files = export_zip(program, path)
    assert [file.name for file in path.parent.iterdir()] == ["any.zip"]
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert names == sorted(f"{NAME}/{name}" for name in (*files, "kilograd.json"))
        archive.extractall(tmp_path)
    export_c(program, tmp_path / "c")
    for name in names:
        inner = name.removeprefix(f"{NAME}/")
        assert (tmp_path / name).read_bytes() == (tmp_path / "c" / inner).read_bytes()
    assert export_c(program, tmp_path / NAME) == files


def test_the_same_program_makes_the_same_bytes(program, tmp_path):
    export_zip(program, tmp_path / "a.zip")
    export_zip(program, tmp_path / "b.zip")
    before = (tmp_path / "a.zip").read_bytes()
    assert before == (tmp_path / "b.zip").read_bytes()
    export_zip(program, tmp_path / "a.zip", prefix="gesture")
    assert (tmp_path / "a.zip").read_bytes() != before
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"gesture_tiny"}


def test_no_foreign_file_is_replaced(program, tmp_path):
    path = tmp_path / "there.zip"
    export_zip(program, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{NAME}/mine.c", "int mine;\n")
    mine = path.read_bytes()
    with zipfile.ZipFile(tmp_path / "manifest.zip", "w") as archive:
        archive.writestr("a/kilograd.json", '{"files": 3}')
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    (tmp_path / "text.zip").write_text("a text")
    for name in ("there.zip", "manifest.zip", "empty.zip", "text.zip"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(UserError, match="it is no archive that kilograd wrote") as caught:
            export_zip(program, tmp_path / name)
        assert caught.value.where == str(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    assert path.read_bytes() == mine


def test_an_archive_is_written_whole_or_not_at_all(program, tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    export_zip(program, path)
    before = path.read_bytes()

    def fails(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kilograd.files.os.fsync", fails)
    for target in (path, tmp_path / "b.zip"):
        with pytest.raises(UserError, match="cannot be written: No space left on device"):
            export_zip(program, target, prefix="gesture")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]


def test_the_command(kilograd, tmp_path):
    model = native_model().write(tmp_path / "tiny.npz")
    out = tmp_path / "out"
    asked = ["compile", model, "--zip", "-o"]
    result = kilograd(*asked, out / "a.zip", "--json").json
    assert (result["library"], result["output"]) == (NAME, str(out / "a.zip"))
    with zipfile.ZipFile(out / "a.zip") as archive:
        assert len(archive.namelist()) == len(result["files"]) + 1
    hint = f"hint: name a file such as {NAME}.zip"
    kilograd(*asked, out).refused(f"{out}: this is a folder, and the archive is a file", hint)
    kilograd(*asked, out / "b").refused("b: the name of an archive ends in .zip", hint)
    kilograd(*asked, out / "b.zip", "--target", "host").refused(
        "error: --target: the kernels for host run on PCs", "such as portable"
    )
    (out / "b.zip").write_text("mine")
    kilograd(*asked, out / "b.zip").refused("this file exists, and it is no archive", "hint: move")
    assert (out / "b.zip").read_text() == "mine"
    kilograd(*asked, out / "b.zip" / "c.zip").refused("cannot be written")
    assert sorted(path.name for path in out.iterdir()) == ["a.zip", "b.zip"]
