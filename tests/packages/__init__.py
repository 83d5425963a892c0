"""Projects as users of Arduino, PlatformIO, CMake and others have them, and their tools."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from applications import run

FOLDER = Path(__file__).parent
DOCS = FOLDER.parents[1] / "docs"
PAGE = DOCS / "packages.md"


def missing(what: str) -> NoReturn:
    """Skips a test, but fails it where the environment says that all tools are there."""
    if os.environ.get("KILOGRAD_REQUIRE_BOARD_TOOLS") == "1":
        pytest.fail(f"{what} is not installed")
    pytest.skip(f"{what} is not installed")


def tool(name: str) -> str:
    """Path of a command: Python's are beside the interpreter."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    return found or missing(name)


def module(name: str):
    """A module of Python that is only there for tests."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(name)


def arm_cpp() -> str:
    """The C++ compiler for boards, with its library."""
    compiler = tool("arm-none-eabi-g++")
    asked = [compiler, "-mcpu=cortex-m4", "-mthumb", "-print-file-name=libstdc++.a"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return compiler if Path(found).is_absolute() else missing("libstdc++-arm-none-eabi-newlib")


def code_in(text: str) -> list[tuple[str, str]]:
    """The code of a page, each with its language."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def section(heading: str, page: Path = PAGE) -> str:
    """What a page, docs/packages.md if none is given, says below a heading."""
    text = page.read_text(encoding="utf-8")
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)[1]


def blocks(heading: str, language: str = "") -> list[str]:
    """The code in one language that docs/packages.md has for an ecosystem."""
    return [code for written, code in code_in(section(heading)) if written == language]


def follow(commands: str, folder: Path, kilograd, **variables: str) -> None:
    """Types what a page says.

    Args:
        commands: one a line.
        folder: where they are typed.
        kilograd: runs the command line.
        variables: of the environment.
    """
    for line in commands.splitlines():
        first, *words = shlex.split(line.replace("$PWD", str(folder)))
        if first == "kilograd":
            assert kilograd(*words).code == 0
        else:
            run([tool(first), *words], folder, env={**os.environ, **variables})
