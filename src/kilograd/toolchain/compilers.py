"""The C compilers that may be used: which command starts one, and what it says it is."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kilograd.arch import architecture_of
from kilograd.errors import ToolchainError

if TYPE_CHECKING:
    from kilograd.targets import Target

Compiler = Literal["zig", "gcc"]

_SHOWN_LINES = 15


def compiler_version(compiler: Compiler, target: Target) -> str:
    """What the compiler for a target says it is, in one line.

    Raises:
        ToolchainError: it is not installed.
    """
    return _version(compiler_command(compiler, target), compiler)


def compiler_command(compiler: Compiler, target: Target) -> tuple[str, ...]:
    """The command line that starts a compiler."""
    if compiler == "zig":
        return (*_zig(), "cc")
    architecture = architecture_of(target)
    for name in architecture.gcc:
        if found := shutil.which(name):
            return (found,)
    raise ToolchainError(
        f"the C compiler {architecture.gcc[-1]} is not installed",
        hint=f"install {architecture.gcc_package}, or use compiler zig",
    )


def _zig() -> tuple[str, ...]:
    """The package's program itself: starting it through Python takes longer than a small file."""
    package = importlib.util.find_spec("ziglang")
    if package is None:
        raise ToolchainError(
            "the C compiler zig is not installed", hint="python -m pip install ziglang"
        )
    for folder in package.submodule_search_locations or ():
        if found := shutil.which("zig", path=folder):
            return (found,)
    return (sys.executable, "-m", "ziglang")


@cache
def _version(command: tuple[str, ...], compiler: Compiler) -> str:
    arguments = [*command[:-1], "version"] if compiler == "zig" else [*command, "--version"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout:
        raise ToolchainError(
            f"the C compiler {compiler} does not start", hint=first_lines(done.stderr)
        )
    first = done.stdout.splitlines()[0]
    return f"zig {first}" if compiler == "zig" else first


@cache
def processor(target: Target) -> str:
    """Host code is built for this very processor; a shared cache may be read by another."""
    if not target.is_host:
        return ""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return " ".join(os.uname()) if hasattr(os, "uname") else sys.platform
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def first_lines(text: str) -> str:
    """As much of a compiler's output as an error shows."""
    return "\n".join(text.strip().splitlines()[:_SHOWN_LINES])
