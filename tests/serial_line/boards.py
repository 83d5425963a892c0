"""Firmwares whose UART is a serial line, on boards that QEMU emulates."""

import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

from applications import _SCRIPT, BOARDS, run
from applications import FOLDER as APPLICATIONS
from kilograd import arch

HERE = Path(__file__).parent
_RUNTIME = Path(next(iter(arch.__path__))) / "runtime"

_RISCV_SCRIPT = """\
ENTRY(reset)
SECTIONS
{
  . = 0x80000000;
  .text : { KEEP(*(.first)) *(.text*) *(.rodata* .srodata*) *(.data* .sdata*) }
  .bss : { bss_start = .; *(.bss* .sbss* COMMON) . = ALIGN(8); bss_end = .; }
  . = ALIGN(16) + 0x10000;
  stack_top = .;
}
"""

#: Name -> QEMU's program and machine.
MACHINES = {
    "M4F": ("qemu-system-arm", "mps2-an386", "M4F hard"),
    "M7": ("qemu-system-arm", "mps2-an500", "M7 hard"),
    "RISC-V": ("qemu-system-riscv32", "virt", None),
}


def compile_board(name, folder, build, main="main.c"):
    """The firmware of an exported folder for a board: its ELF file."""
    sources = [*map(str, sorted(folder.glob("*.c"))), str(HERE / main)]
    includes = [f"-I{folder}", f"-I{HERE}"]
    _, _, board = MACHINES[name]
    if board is None:
        (build / "board.ld").write_text(_RISCV_SCRIPT)
        runtime = [str(HERE / "start_riscv.c"), str(_RUNTIME / "memory.c")]
        flags = ["-march=rv32imac", "-misa-spec=2.2", "-mabi=ilp32", "-O2", "-ffreestanding"]
        link = [
            "-nostdlib",
            "-nostartfiles",
            "-T",
            "board.ld",
            "-Wl,--gc-sections,--no-warn-rwx",
            "-lgcc",
        ]
        command = ["riscv64-unknown-elf-gcc", *flags, *includes, f"-I{_RUNTIME}"]
        run([*command, *sources, *runtime, *link, "-o", "board.elf"], build)
        return build / "board.elf"
    machine = BOARDS[board]
    (build / "board.ld").write_text(_SCRIPT.format(code=machine.code, ram=machine.ram))
    flags = [*machine.flags.split(), "-mthumb", "-O2"]
    link = ["--specs=nosys.specs", "-T", "board.ld", "-Wl,--gc-sections", "-Wl,--no-warn-rwx"]
    startup = str(APPLICATIONS / "startup.c")
    command = ["arm-none-eabi-gcc", *flags, *includes, *sources, startup, *link]
    subprocess.run([*command, "-o", "board.elf"], cwd=build, check=True, timeout=120)
    return build / "board.elf"


@contextmanager
def emulated(name, elf, serial="pty"):
    """QEMU with the firmware: yields its port, where that is a pseudo terminal, and the process."""
    program, machine, _ = MACHINES[name]
    bios = ["-bios", "none"] if "riscv" in program else []
    quiet = ["-nographic", "-monitor", "none", *bios]
    command = [program, "-M", machine, *quiet, "-serial", serial, "-kernel", str(elf)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            port = None
            if serial == "pty":
                port = re.search(r"(/dev/pts/\d+)", process.stdout.readline()).group(1)
            yield port, process
        finally:
            process.kill()
