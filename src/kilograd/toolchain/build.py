"""C sources to a firmware, a shared library or a program, through zig or gcc, with a cache.

Every result is kept under the SHA-256 of all that went into it: sources, flags, linker script and
compiler version. So is every object file, which makes a rebuild after a small change fast.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import platformdirs

from kilograd.arch import architecture_of, linker_script
from kilograd.errors import BudgetError, KilogradError, ToolchainError
from kilograd.targets import get_target
from kilograd.toolchain.elf import (
    FirmwareSizes,
    Symbols,
    firmware_sizes,
    load_segments,
    read_symbols,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kilograd.targets import Target

Compiler = Literal["zig", "gcc"]

_FIRMWARE_FLAGS = (
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-fomit-frame-pointer",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)
_WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Werror")
_SHARED_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_PROGRAM_SUFFIX = ".exe" if sys.platform == "win32" else ""
_SHOWN_LINES = 15
_OVERFLOWS = re.compile(r"region '?`?(\w+)'?:? overflowed by (\d+) bytes")


@dataclass(frozen=True)
class Build:
    """A file that a compiler made.

    Attributes:
        path: the firmware ELF, shared library or program, inside the cache.
        target: what it was built for.
        compiler: `zig` or `gcc`.
        version: what the compiler says it is.
    """

    path: Path
    target: Target
    compiler: Compiler
    version: str


@dataclass(frozen=True)
class _Job:
    """Everything that decides the bytes of a result."""

    kind: str
    suffix: str
    sources: dict[str, str]
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    target: Target
    compiler: Compiler


def cache_directory() -> Path:
    """Where results are kept: `KILOGRAD_CACHE`, or the user's cache directory."""
    chosen = os.environ.get("KILOGRAD_CACHE")
    return Path(chosen or platformdirs.user_cache_dir("kilograd")).absolute()


def compiler_version(compiler: Compiler, target: Target) -> str:
    """What the compiler for a target says it is, in one line.

    Raises:
        ToolchainError: it is not installed.
    """
    return _version(_command(compiler, target), compiler)


def build_firmware(
    sources: Mapping[str, str],
    target: Target,
    *,
    compiler: Compiler = "zig",
    stack_bytes: int | None = None,
    extra_flags: Sequence[str] = (),
) -> Build:
    """Builds a firmware ELF: the model's sources, the runtime, and the semihosting port.

    Args:
        sources: {file name: text} of the model, `kilograd.h` among them.
        target: any target but the host.
        compiler: `zig` (comes with kilograd) or `gcc` (arm-none-eabi-gcc, if installed).
        stack_bytes: room for the stack; the target's default if None.
        extra_flags: for every C file, such as `-DNAME=1`.

    Raises:
        BudgetError: the firmware does not fit the target's memory.
        ToolchainError: no compiler, or a cache that cannot be written.
        KilogradError: the compiler refused the sources, which is a fault of kilograd.
    """
    runtime = architecture_of(target).runtime_sources(target)
    stack = target.stack_bytes if stack_bytes is None else stack_bytes
    errors: list[BudgetError] = []
    for script in dict.fromkeys(
        linker_script(target, stack_bytes=stack, joined=joined) for joined in (False, True)
    ):
        job = _Job(
            kind="firmware",
            suffix=".elf",
            sources={
                **sources,
                **{f"kg_runtime/{name}": text for name, text in runtime.items()},
                "firmware.ld": script,
            },
            compile_flags=(*_FIRMWARE_FLAGS, *extra_flags, "-I.", "-Ikg_runtime"),
            link_flags=_firmware_link_flags(compiler),
            target=target,
            compiler=compiler,
        )
        try:
            return _build(job)
        except BudgetError as error:
            errors.append(error)
    raise errors[-1]


def build_host_library(
    sources: Mapping[str, str],
    *,
    compiler: Compiler = "zig",
    sanitize: bool = False,
    extra_flags: Sequence[str] = (),
) -> Build:
    """Builds a shared library for this computer, of a program compiled for the host.

    Args:
        sources: {file name: text} of the model.
        compiler: `zig`, or `gcc` for the system's `cc`.
        sanitize: end the process on undefined behaviour.
        extra_flags: for every C file.

    Raises:
        ToolchainError: no compiler, or a cache that cannot be written.
        KilogradError: the compiler refused the sources, which is a fault of kilograd.
    """
    checks = ("-fsanitize=undefined", *_trap(compiler)) if sanitize else ()
    return _build(
        _Job(
            kind="library",
            suffix=_SHARED_SUFFIX,
            sources=dict(sources),
            compile_flags=_host_flags(compiler, checks, extra_flags),
            link_flags=("-shared", *checks),
            target=get_target("host"),
            compiler=compiler,
        )
    )


def build_host_executable(
    sources: Mapping[str, str],
    main_c: str,
    *,
    compiler: Compiler = "gcc",
    sanitize: bool = True,
    extra_flags: Sequence[str] = (),
) -> Build:
    """Builds a program for this computer from the model and a `main`.

    Args:
        sources: {file name: text} of the model.
        main_c: the text of a C file with `main`.
        compiler: `gcc` for the system's `cc`; `zig` brings no address sanitizer.
        sanitize: end the program on undefined behaviour and, with gcc, on bad addresses.
        extra_flags: for every C file.

    Raises:
        ToolchainError: no compiler, or a cache that cannot be written.
        KilogradError: the compiler refused the sources, which is a fault of kilograd.
    """
    checks: tuple[str, ...] = ()
    if sanitize and compiler == "gcc":
        checks = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    elif sanitize:
        checks = ("-fsanitize=undefined", *_trap(compiler))
    return _build(
        _Job(
            kind="program",
            suffix=_PROGRAM_SUFFIX,
            sources={**sources, "kg_main.c": main_c},
            compile_flags=_host_flags(compiler, checks, extra_flags),
            link_flags=checks,
            target=get_target("host"),
            compiler=compiler,
        )
    )


def _trap(compiler: Compiler) -> tuple[str, ...]:
    zig, gcc = "-fsanitize-trap=undefined", "-fsanitize-undefined-trap-on-error"
    return (zig if compiler == "zig" else gcc,)


def _host_flags(
    compiler: Compiler, checks: tuple[str, ...], extra: Sequence[str]
) -> tuple[str, ...]:
    quiet = ("-fno-sanitize=undefined",) if compiler == "zig" and not checks else ()
    return ("-fPIC", *quiet, *checks, *extra, "-I.")


def _firmware_link_flags(compiler: Compiler) -> tuple[str, ...]:
    flags = ("-Wl,-T,firmware.ld", "-Wl,-e,kg_reset", "-Wl,--gc-sections")
    return flags if compiler == "zig" else ("-nostdlib", *flags, "-Wl,--build-id=none", "-lgcc")


def _command(compiler: Compiler, target: Target) -> tuple[str, ...]:
    """The command line that starts a compiler."""
    if compiler == "zig":
        if importlib.util.find_spec("ziglang") is None:
            raise ToolchainError(
                "the C compiler zig is not installed", hint="python -m pip install ziglang"
            )
        return (sys.executable, "-m", "ziglang", "cc")
    architecture = architecture_of(target)
    for name in architecture.gcc:
        if found := shutil.which(name):
            return (found,)
    raise ToolchainError(
        f"the C compiler {architecture.gcc[-1]} is not installed",
        hint=f"install {architecture.gcc_package}, or use compiler zig",
    )


@cache
def _version(command: tuple[str, ...], compiler: Compiler) -> str:
    arguments = [*command[:-1], "version"] if compiler == "zig" else [*command, "--version"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout:
        raise ToolchainError(
            f"the C compiler {compiler} does not start", hint=_first_lines(done.stderr)
        )
    first = done.stdout.splitlines()[0]
    return f"zig {first}" if compiler == "zig" else first


def _build(job: _Job) -> Build:
    """Takes a result from the cache, or makes it there."""
    command = _command(job.compiler, job.target)
    version = compiler_version(job.compiler, job.target)
    flags = (*_machine_flags(job), *job.compile_flags)
    if job.compiler == "zig" and not job.target.is_host:
        flags = (*flags, "-fno-sanitize=undefined")
    key = _digest(version, _processor(job.target), job.kind, job.sources, flags, job.link_flags)
    root = cache_directory()
    path = root / job.kind / f"{key}{job.suffix}"
    if not path.exists():
        try:
            _make(job, path=path, root=root, command=command, flags=flags, version=version)
        except OSError as error:
            raise ToolchainError(
                f"cannot write the cache directory: {error.strerror}",
                where=str(root),
                hint="set KILOGRAD_CACHE to a directory that can be written",
            ) from error
    return Build(path, job.target, job.compiler, version)


def _machine_flags(job: _Job) -> tuple[str, ...]:
    """Flags for every file, and for the linker."""
    architecture = architecture_of(job.target)
    flags = architecture.zig_flags if job.compiler == "zig" else architecture.gcc_flags
    return (*flags(job.target), "-O3", "-g0", *_WARNINGS)


def _make(
    job: _Job,
    *,
    path: Path,
    root: Path,
    command: tuple[str, ...],
    flags: tuple[str, ...],
    version: str,
) -> None:
    (root / "zig").mkdir(parents=True, exist_ok=True)
    (root / "tmp").mkdir(exist_ok=True)
    zig = {f"ZIG_{kind}_CACHE_DIR": str(root / "zig") for kind in ("GLOBAL", "LOCAL")}
    environment = {**os.environ, **zig, "LC_ALL": "C"}
    with tempfile.TemporaryDirectory(prefix="build-", dir=root / "tmp") as name:
        folder = Path(name)
        for file, text in job.sources.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8", newline="\n")
        # Any file may include any of these; a C file that includes another is not foreseen.
        headers = {n: t for n, t in job.sources.items() if not n.endswith((".c", ".ld"))}

        def compile_one(item: tuple[int, str]) -> str:
            index, source = item
            everything = (version, _processor(job.target), headers, job.sources[source], flags)
            kept = root / "object" / f"{_digest(*everything)}.o"
            if not kept.exists():
                made = f"kg_object_{index}.o"
                _run([*command, *flags, "-c", source, "-o", made], folder, environment, source)
                _publish(folder / made, kept)
            return str(kept)

        sources = sorted(name for name in job.sources if name.endswith(".c"))
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            objects = list(pool.map(compile_one, enumerate(sources)))
        output = f"kg_result{job.suffix}"
        _run(
            [*command, *_machine_flags(job), *objects, *job.link_flags, "-o", output],
            folder,
            environment,
            "",
        )
        _publish(folder / output, path)


def _run(arguments: list[str], folder: Path, environment: dict[str, str], source: str) -> None:
    """Runs a compiler or, without a source, a linker."""
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return
    overflows: dict[str, int] = {}
    for region, missing in _OVERFLOWS.findall(done.stderr):
        overflows[region] = max(overflows.get(region, 0), int(missing))
    if overflows:
        parts = ", ".join(f"{name} by {missing} bytes" for name, missing in overflows.items())
        raise BudgetError(
            f"the firmware does not fit its target: it overflows {parts}",
            hint="train fewer layers, use a smaller model or a target with more memory",
        )
    what = f"the C compiler refused {source}" if source else "the linker refused the firmware"
    raise KilogradError(f"{what}:\n{_first_lines(done.stderr)}")


def _publish(made: Path, kept: Path) -> None:
    """Moves a finished file into the cache; whoever reads it there sees all of it."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    made.replace(kept)


@cache
def _processor(target: Target) -> str:
    """Host code is built for this very processor; a shared cache may be read by another."""
    if not target.is_host:
        return ""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return " ".join(os.uname()) if hasattr(os, "uname") else sys.platform
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _digest(*parts: object) -> str:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _first_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[:_SHOWN_LINES])


__all__ = [
    "Build",
    "Compiler",
    "FirmwareSizes",
    "Symbols",
    "build_firmware",
    "build_host_executable",
    "build_host_library",
    "cache_directory",
    "compiler_version",
    "firmware_sizes",
    "load_segments",
    "read_symbols",
]
