"""C sources to a firmware, a shared library or a program, through zig or gcc."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kilograd.arch import architecture_of, linker_script
from kilograd.errors import BudgetError
from kilograd.targets import get_target
from kilograd.toolchain.compilers import Compiler
from kilograd.toolchain.job import Build, Job, build

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kilograd.targets import Target

_FIRMWARE_FLAGS = (
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-fomit-frame-pointer",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)
_SHARED_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_PROGRAM_SUFFIX = ".exe" if sys.platform == "win32" else ""


def build_firmware(
    sources: Mapping[str, str],
    target: Target,
    *,
    compiler: Compiler = "zig",
    stack_bytes: int | None = None,
    extra_flags: Sequence[str] = (),
    replaced: Mapping[str, str] | None = None,
) -> Build:
    """Builds a firmware ELF: the model's sources, the runtime, and the semihosting port.

    Args:
        sources: {file name: text} of the model, `kilograd.h` among them.
        target: any target but the host.
        compiler: `zig` (comes with kilograd) or `gcc` (arm-none-eabi-gcc, if installed).
        stack_bytes: room for the stack; the target's default if None.
        extra_flags: for every C file and the linker, such as `-DNAME=1` or `-flto`.
        replaced: {file name: text} of the runtime, in the place of its own, such as another port.

    Raises:
        BudgetError: the firmware does not fit the target's memory.
        ToolchainError: no compiler, or a cache that cannot be written.
        KilogradError: the compiler refused the sources, which is a fault of kilograd.
    """
    runtime = {**architecture_of(target).runtime_sources(target), **(replaced or {})}
    stack = target.stack_bytes if stack_bytes is None else stack_bytes
    errors: list[BudgetError] = []
    for script in dict.fromkeys(
        linker_script(target, stack_bytes=stack, joined=joined) for joined in (False, True)
    ):
        job = Job(
            kind="firmware",
            suffix=".elf",
            sources={
                **sources,
                **{f"kg_runtime/{name}": text for name, text in runtime.items()},
                "firmware.ld": script,
            },
            compile_flags=(*_FIRMWARE_FLAGS, *extra_flags, "-I.", "-Ikg_runtime"),
            link_flags=(*extra_flags, *_firmware_link_flags(compiler)),
            target=target,
            compiler=compiler,
        )
        try:
            return build(job)
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
    return build(
        Job(
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
    return build(
        Job(
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
