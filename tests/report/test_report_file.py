"""A report is written completely or not at all."""

import os
import sys

import pytest
from report_cases import reported

from kilograd.errors import UserError
from kilograd.report import render_report, write_report


def test_write_report(program, tmp_path):
    target = tmp_path / "report.html"
    target.write_text("old", encoding="utf-8")
    report = reported(program)
    write_report(target, report)
    assert target.read_text(encoding="utf-8") == render_report(report)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_permissions_follow_the_umask(program, tmp_path):
    previous = os.umask(0o027)
    try:
        write_report(tmp_path / "report.html", reported(program))
    finally:
        os.umask(previous)
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o640


def test_folder_that_does_not_exist_is_made(program, tmp_path):
    target = tmp_path / "new" / "report.html"
    write_report(target, reported(program))
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_folder_that_cannot_be_made(program, tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    target = tmp_path / "file" / "report.html"
    with pytest.raises(UserError) as caught:
        write_report(target, reported(program))
    assert caught.value.where == str(target)
    assert "cannot be written" in caught.value.what
    assert "folder" in caught.value.hint


def test_path_that_is_a_folder(program, tmp_path):
    target = tmp_path / "report.html"
    target.mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        write_report(target, reported(program))
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["x" * 300 + ".html", "a\0b.html"])
def test_impossible_names(program, tmp_path, name):
    with pytest.raises(UserError, match="cannot be written"):
        write_report(tmp_path / name, reported(program))
    assert not list(tmp_path.iterdir())
