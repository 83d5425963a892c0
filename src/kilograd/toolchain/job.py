"""A result of a compiler, taken from the cache or made there.

Every result is kept under the SHA-256 of all that went into it: sources, flags, linker script and
compiler version. So is every object file, which makes a rebuild after a small change fast.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kilograd.arch import architecture_of
from kilograd.errors import BudgetError, KilogradError, ToolchainError
from kilograd.files import cache_directory
from kilograd.toolchain.compilers import (
    Compiler,
    compiler_command,
    compiler_version,
    first_lines,
    processor,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kilograd.targets import Target


_WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Werror")
#: What a file includes, or asks for before it does.
_INCLUDES = re.compile(r'include\s*\(?\s*[<"]([^>"\n]+)[>"]')
#: As often a result is made anew where the cache is cleared meanwhile.
_ATTEMPTS = 3
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
class Job:
    """Everything that decides the bytes of a result.

    Attributes:
        kind: `firmware`, `library` or `program`: a folder of the cache.
        suffix: of the result's file.
        sources: {file name: text}; headers and linker scripts among them.
        compile_flags: for every C file, besides those of the target.
        link_flags: for the linker, likewise.
        target: what it is built for.
        compiler: which builds it.
    """

    kind: str
    suffix: str
    sources: dict[str, str]
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    target: Target
    compiler: Compiler


def build(job: Job) -> Build:
    """Takes a result from the cache, or makes it there.

    Raises:
        BudgetError: the firmware does not fit the target's memory.
        ToolchainError: no compiler, or a cache that cannot be written.
        KilogradError: the compiler refused the sources, which is a fault of kilograd.
    """
    command = compiler_command(job.compiler, job.target)
    version = compiler_version(job.compiler, job.target)
    flags = (*_machine_flags(job), *job.compile_flags)
    if job.compiler == "zig" and not job.target.is_host:
        flags = (*flags, "-fno-sanitize=undefined")
    key = _digest(version, processor(job.target), job.kind, job.sources, flags, job.link_flags)
    root = cache_directory()
    path = root / job.kind / f"{key}{job.suffix}"
    for attempt in range(_ATTEMPTS):
        if path.exists():
            break
        try:
            _make(job, path=path, root=root, command=command, flags=flags, version=version)
        except (_Cleared, FileNotFoundError) as error:
            if not root.exists() and not _can_make(root):
                raise _unwritable(root, error) from error
            if attempt == _ATTEMPTS - 1:
                raise cleared(root) from error
        except OSError as error:
            raise _unwritable(root, error) from error
    return Build(path, job.target, job.compiler, version)


def _can_make(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return True


def _unwritable(root: Path, error: Exception) -> ToolchainError:
    return ToolchainError(
        f"cannot write the cache directory: {getattr(error, 'strerror', error)}",
        where=str(root),
        hint="set KILOGRAD_CACHE to a directory that can be written",
    )


def cleared(where: Path) -> ToolchainError:
    """Of something that was in the cache and is not there any more."""
    return ToolchainError(
        "the cache was cleared while it was used",
        where=str(where),
        hint="run the command again, and clear the cache when nothing uses it",
    )


class _Cleared(Exception):  # noqa: N818 - becomes a ToolchainError, or passes
    """Somebody removed what a compiler was reading."""


def _machine_flags(job: Job) -> tuple[str, ...]:
    """Flags for every file, and for the linker."""
    architecture = architecture_of(job.target)
    flags = architecture.zig_flags if job.compiler == "zig" else architecture.gcc_flags
    return (*flags(job.target), "-O3", "-g0", *_WARNINGS)


def _make(
    job: Job,
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
        # A C file that includes another is not foreseen.
        headers = {n: t for n, t in job.sources.items() if not n.endswith((".c", ".ld"))}

        def run(arguments: list[str], source: str, reads: Sequence[str] = ()) -> None:
            try:
                _run(arguments, folder, environment, source)
            except (KilogradError, OSError) as error:
                kept_here = all(map(os.path.exists, (folder, root / "zig", *reads)))
                if isinstance(error, BudgetError) or kept_here:
                    raise
                raise _Cleared from error

        def compile_one(item: tuple[int, str]) -> str:
            index, source = item
            text = job.sources[source]
            read = included(text, headers)
            everything = (version, processor(job.target), read, text, flags)
            kept = root / "object" / f"{_digest(*everything)}.o"
            if not kept.exists():
                made = f"kg_object_{index}.o"
                run([*command, *flags, "-c", source, "-o", made], source)
                _publish(folder / made, kept)
            return str(kept)

        sources = sorted(name for name in job.sources if name.endswith(".c"))
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            objects = list(pool.map(compile_one, enumerate(sources)))
        output = f"kg_result{job.suffix}"
        run([*command, *_machine_flags(job), *objects, *job.link_flags, "-o", output], "", objects)
        _publish(folder / output, path)


def included(text: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Those of the headers that a file may read: what it and its own headers name.

    Args:
        text: of the file.
        headers: {file name: text}; the same name in two folders counts as both.
    """
    found: dict[str, str] = {}
    texts = [text]
    while texts:
        named = {name.rsplit("/", maxsplit=1)[-1] for name in _INCLUDES.findall(texts.pop())}
        for name, contents in headers.items():
            if name not in found and name.rsplit("/", maxsplit=1)[-1] in named:
                found[name] = contents
                texts.append(contents)
    return found


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
    raise KilogradError(f"{what}:\n{first_lines(done.stderr)}")


def _publish(made: Path, kept: Path) -> None:
    """Moves a finished file into the cache; whoever reads it there sees all of it."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    made.replace(kept)


def _digest(*parts: object) -> str:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
