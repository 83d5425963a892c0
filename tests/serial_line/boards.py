"""Firmwares whose UART is a serial line, on boards that QEMU emulates."""

import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from applications import _SCRIPT, BOARDS, run
from applications import FOLDER as APPLICATIONS
from kilograd import arch, export_c
from serial_line.machines import UARTS

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

#: Name -> QEMU's program and machine, how it is compiled for, and its target.
MACHINES = {
    "M4F": ("qemu-system-arm", "mps2-an386", "M4F hard", "cortex-m4"),
    "M7": ("qemu-system-arm", "mps2-an500", "M7 hard", "cortex-m7"),
    "RISC-V": ("qemu-system-riscv32", "virt", None, "riscv32"),
}


@dataclass(frozen=True)
class LastingFlash:
    """Memory of a machine that is a file of this computer, and outlives QEMU.

    Attributes:
        kind, origin: as lasting.h has them.
        bytes: of the file.
        slot_bytes: of a slot of a page.
        machine, arguments: of QEMU, with the file's path for {file}, the firmware's for {elf}.
    """

    kind: str
    origin: int
    bytes: int
    slot_bytes: int
    machine: str
    arguments: tuple[str, ...]

    @property
    def flags(self):
        """For the compiler."""
        return [f"-DFLASH_KIND=FLASH_{self.kind}", f"-DFLASH_ORIGIN={self.origin:#x}u"]

    def erased(self, path):
        """A new one: the path of its file."""
        path.write_bytes(b"\xff" * self.bytes)
        return path


_PSRAM = "memory-backend-file,id=psram,size=16M,mem-path={file},share=on"
LASTING = {
    "M4F": LastingFlash(
        *("FILE", 0x2100_0000, 16 << 20, 4096),
        *("mps2-an386,memory-backend=psram", ("-object", _PSRAM, "-kernel", "{elf}")),
    ),
    # Where this board has a flash, it takes a kernel for one that the flash's firmware starts.
    "RISC-V": LastingFlash(
        *("CFI", 0x2200_0000, 32 << 20, 256 << 10, "virt"),
        ("-drive", "if=pflash,unit=1,format=raw,file={file}", "-device", "loader,file={elf}"),
    ),
}


class Firmwares:
    """The ELF file for each board, made when it is first asked for.

    Args:
        program: of any target.
        make_folder: a new folder, by a name.
        flags: for the compiler, by board.
    """

    def __init__(self, program, make_folder, flags=None):
        self._folder = make_folder("exported") / "c"
        export_c(program, self._folder)
        self._make_folder = make_folder
        self._flags = flags or {}
        self._made = {}

    def of(self, name):
        if name not in self._made:
            build, flags = self._make_folder("board"), self._flags.get(name, ())
            self._made[name] = compile_board(name, self._folder, build, flags)
        return self._made[name]


def compile_board(name, folder, build, flags=()):
    """The firmware of an exported folder for a board: its ELF file."""
    sources = [*map(str, sorted(folder.glob("*.c"))), str(HERE / "main.c")]
    _, _, board, target = MACHINES[name]
    includes = [f"-I{folder}", f"-I{HERE}", *UARTS[target].flags, *flags]
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
def emulated(name, elf, serial="pty", lasts=None):
    """QEMU with the firmware: yields its port, where that is a pseudo terminal, and the process.

    Args:
        name: of the board.
        elf: its firmware.
        serial: what QEMU connects the UART with.
        lasts: the file of its `LASTING` flash, where it has one.
    """
    program, machine, *_ = MACHINES[name]
    more = ["-kernel", str(elf)]
    if lasts is not None:
        machine = LASTING[name].machine
        more = [text.format(file=lasts, elf=elf) for text in LASTING[name].arguments]
    if "riscv" in program:
        more += ["-bios", "none"]
    with running([program, "-M", machine, *more], serial) as found:
        yield found


@contextmanager
def running(command, serial="pty"):
    """A command of QEMU with its firmware: yields what `emulated` does."""
    quiet = ["-nographic", "-monitor", "none", "-serial", serial]
    with subprocess.Popen(
        [*command, *quiet],
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
