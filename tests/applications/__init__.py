"""Programs as users write them, built with the compilers that users have."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
IS_CI = os.environ.get("CI") == "true"


def needs(*programs: str):
    """Skips a test where a program is missing, but not in continuous integration."""
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing) and not IS_CI, reason=f"missing: {', '.join(missing)}")


@dataclass(frozen=True)
class Board:
    """A board that QEMU emulates, and how its users compile.

    Attributes:
        machine: QEMU's name of it.
        flags: of the processor.
        target: of kilograd's whose kernels run on it.
        code, ram: where its memories begin.
    """

    machine: str
    flags: str
    target: str
    code: int = 0
    ram: int = 0x2000_0000


BOARDS = {
    # QEMU has no M0+ with enough memory; a Cortex-M3 runs its instructions.
    "M0+": Board("mps2-an385", "-mcpu=cortex-m0plus", "cortex-m0plus"),
    "M3": Board("mps2-an385", "-mcpu=cortex-m3", "portable"),
    "M4F hard": Board(
        "mps2-an386", "-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard", "cortex-m4"
    ),
    "M4F softfp": Board(
        "mps2-an386", "-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=softfp", "cortex-m4"
    ),
    "M7 hard": Board("mps2-an500", "-mcpu=cortex-m7 -mfpu=fpv5-d16 -mfloat-abi=hard", "cortex-m7"),
    "M33 hard": Board(
        "mps2-an505",
        "-mcpu=cortex-m33 -mfpu=fpv5-sp-d16 -mfloat-abi=hard",
        "cortex-m4",
        0x1000_0000,
        0x3800_0000,
    ),
    "M55 hard": Board("mps3-an547", "-mcpu=cortex-m55 -mfloat-abi=hard", "cortex-m4"),
}

_SCRIPT = """\
MEMORY {{ CODE : ORIGIN = {code:#x}, LENGTH = 512K
         RAM : ORIGIN = {ram:#x}, LENGTH = 512K }}
ENTRY(reset)
SECTIONS
{{
  .text : {{ KEEP(*(.vectors)) *(.text*) KEEP(*(.init)) KEEP(*(.fini)) *(.rodata*) }} > CODE
  .arrays :
  {{
    __preinit_array_start = .; KEEP(*(.preinit_array)) __preinit_array_end = .;
    __init_array_start = .; KEEP(*(.init_array*)) __init_array_end = .;
    __fini_array_start = .; KEEP(*(.fini_array*)) __fini_array_end = .;
    __exidx_start = .; *(.ARM.exidx*) __exidx_end = .; *(.ARM.extab* .eh_frame*)
  }} > CODE
  .data : {{ *(.data*) }} > RAM
  .bss : {{ __bss_start__ = .; *(.bss* COMMON) . = ALIGN(4); __bss_end__ = .; }} > RAM
  end = .;
  __end__ = .;
  stack_top = ORIGIN(RAM) + LENGTH(RAM);
  __stack = stack_top;
}}
"""


def run(command, folder: Path, **options) -> subprocess.CompletedProcess:
    """Runs a program whose end without an error, and without a word of complaint, is expected."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120, **options
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout[-500:]}{done.stderr[-3000:]}"
    return done


def write_linker_script(board: Board, folder: Path) -> None:
    """Writes ``board.ld``; ``startup.c`` beside this file belongs to it."""
    (folder / "board.ld").write_text(_SCRIPT.format(code=board.code, ram=board.ram))


def emulate(board: Board, program: Path) -> str:
    """What a program prints whose C library speaks to a debugger."""
    qemu = ["qemu-system-arm", "-M", board.machine, "-nographic", "-monitor", "none"]
    serial = ["-serial", "none", "-semihosting-config", "enable=on,target=native"]
    return run([*qemu, *serial, "-kernel", str(program)], program.parent).stdout


def run_on_board(board: Board, level: str, sources, folder: Path) -> str:
    """What a program prints that was built with the GNU compiler and newlib, emulated."""
    write_linker_script(board, folder)
    flags = [*board.flags.split(), "-mthumb", *level.split()]
    link = ["--specs=rdimon.specs", "-T", "board.ld", "-Wl,--gc-sections", "-Wl,--no-warn-rwx"]
    files = [*map(str, sources), str(FOLDER / "startup.c")]
    run(["arm-none-eabi-gcc", *flags, *files, *link, "-o", "program.elf"], folder)
    return emulate(board, folder / "program.elf")


def run_here(compiler: str, flags: str, sources, folder: Path) -> str:
    """What a program prints on this computer."""
    run([*compiler.split(), *flags.split(), *map(str, sources), "-o", "program"], folder)
    return run([folder / "program"], folder).stdout
