"""The machines that QEMU emulates, each with a firmware that is a serial line's end."""

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kilograd import export_c
from kilograd.arch import architecture_of
from kilograd.codegen.sources import read_c
from kilograd.targets import get_target, target_names
from kilograd.toolchain import build_firmware
from kilograd.toolchain.elf import load_segments

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Uart:
    """The first UART of a machine, as uarts.h drives it.

    Attributes:
        kind: of its driver.
        base: of its registers.
        clock: address of a counter of the board, and its ticks a second.
    """

    kind: str
    base: int
    clock: tuple[int, int] | None = None

    @property
    def flags(self):
        """For the compiler."""
        flags = [f"-DUART_KIND=UART_{self.kind}", f"-DUART_BASE={self.base:#x}u"]
        if self.clock:
            address, per_second = self.clock
            flags += [f"-DCLOCK={address:#x}u", f"-DTICKS_PER_SECOND={per_second}u"]
        return flags


_MPS2_CLOCK = (0x4002_8018, 25_000_000)

#: Of the machines that targets name, those of kilograd and those in tests/machines; and of the
#: RP2040, which has an emulator of its own.
UARTS = {
    "cortex-m0plus": Uart("PL011", 0x4003_4000),
    "an385": Uart("CMSDK", 0x4000_4000, _MPS2_CLOCK),
    "an511": Uart("CMSDK", 0x4000_4000, _MPS2_CLOCK),
    "an524": Uart("CMSDK", 0x5130_3000),
    "cortex-m33": Uart("CMSDK", 0x5020_0000),
    "cortex-m33-plain": Uart("CMSDK", 0x5020_0000),
    "cortex-m4": Uart("CMSDK", 0x4000_4000, _MPS2_CLOCK),
    "cortex-m55": Uart("CMSDK", 0x5930_3000),
    "cortex-m7": Uart("CMSDK", 0x4000_4000, _MPS2_CLOCK),
    "fe310": Uart("SIFIVE", 0x1001_3000),
    "h405": Uart("STM32", 0x4001_1000),
    "lm3s6965": Uart("PL011", 0x4000_C000),
    "nrf51": Uart("NRF51", 0x4000_2000),
    "riscv32": Uart("16550", 0x1000_0000, (0x0200_BFF8, 10_000_000)),
    "stm32f100": Uart("STM32", 0x4001_3800),
    "stm32f205": Uart("STM32", 0x4001_1000),
    "stm32f405": Uart("STM32", 0x4001_1000),
    "stm32l475": Uart("STM32L4", 0x4001_3800),
}
_FOLDER = Path(__file__).parents[1] / "machines"

#: Where `npm install --prefix build rp2040js@1.4.1` puts the emulator.
RP2040JS = Path(__file__).parents[2] / "build"


def machines():
    """By name, the targets that QEMU emulates a machine of."""
    ours = (get_target(name) for name in target_names())
    more = (get_target(str(path)) for path in sorted(_FOLDER.glob("*.toml")))
    return {target.name: target for target in (*ours, *more) if target.qemu_machine}


def machine_firmware(program, target, folder, *, runtime=None):
    """A firmware that does what a PC asks it for at the UART of a target's machine: its ELF file.

    Args:
        program: of any target.
        target: of a machine.
        folder: to write the C to; it is made.
        runtime: files of kilograd's runtime that are replaced, besides its port and its loop.
    """
    export_c(program.for_target(target), folder)
    sources = {path.name: read_c(path) for path in sorted(folder.glob("*.[ch]"))}
    port = {"command_loop.c": read_c(HERE / "uart_port.c"), "port_semihosting.c": ""}
    port["uarts.h"] = read_c(HERE / "uarts.h")
    return build_firmware(
        sources,
        target,
        extra_flags=UARTS[target.name].flags,
        replaced={**port, **(runtime or {})},
    ).path


def machine_command(target, elf):
    """QEMU's command that runs it."""
    architecture = architecture_of(target)
    arguments = (*architecture.qemu_arguments, "-kernel", str(elf))
    return [architecture.qemu, "-M", target.qemu_machine, *arguments]


@contextmanager
def rp2040(elf, folder):
    """The RP2040 in JavaScript with a firmware: yields its port."""
    segments = load_segments(elf)
    origin = get_target("cortex-m0plus").code_region.origin
    image = bytearray(max(address + len(data) for address, data in segments) - origin)
    for address, data in segments:
        image[address - origin : address - origin + len(data)] = data
    (folder / "flash.bin").write_bytes(image)
    command = ["node", HERE / "rp2040.mjs", RP2040JS, folder / "flash.bin"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield f"tcp://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()
