"""RISC-V, 32 bits: startup, traps, physical memory protection, semihosting."""

from __future__ import annotations

import re

from unicorn import riscv_const, unicorn_const

from kilograd.arch.base import Architecture, Emulation, FaultReport, defined
from kilograd.arch.link import joined_regions
from kilograd.targets import Target

#: Base and standard extensions that kilograd's C and startup code can be built for.
_CORES = re.compile(r"rv32i(m?a?c?)")

# The firmware reports mcause + 1, so that 0 is no cause.
_CAUSES = {
    1: "jump to an odd address",
    2: "jump to an address that holds no code",
    3: "undefined instruction",
    4: "breakpoint",
    5: "unaligned access",
    6: "bad access",
    7: "unaligned access",
    8: "bad access",
}
_UNDEFINED_INSTRUCTION = 2
_ADDRESS_KNOWN = frozenset({5, 6, 7, 8})

# Bits of an entry of the physical memory protection.
_READ, _WRITE, _EXECUTE, _UP_TO_ADDRESS, _EVERYWHERE, _LOCKED = 1, 2, 4, 1 << 3, 3 << 3, 1 << 7


class RiscV(Architecture):
    """RV32I with the extensions that the core's name lists."""

    name = "riscv"
    features = frozenset({"pmp", "unaligned"})
    gcc = ("riscv32-unknown-elf-gcc", "riscv64-unknown-elf-gcc")
    gcc_package = "gcc-riscv64-unknown-elf"
    qemu = "qemu-system-riscv32"
    qemu_package = "qemu-system-misc"
    qemu_arguments = ("-bios", "none")
    runtime = "kilograd.arch.riscv"

    def knows(self, core: str) -> bool:
        """Such as rv32imc."""
        return _CORES.fullmatch(core) is not None

    def zig_flags(self, target: Target) -> tuple[str, ...]:
        """Integer registers pass everything."""
        extensions = "".join(f"+{letter}" for letter in target.core.removeprefix("rv32i"))
        return ("-target", "riscv32-freestanding-none", f"-mcpu=generic_rv32{extensions}")

    def gcc_flags(self, target: Target) -> tuple[str, ...]:
        """The same, with control registers for the startup code.

        By the older standard these need no name: with one, GCC takes the library for 64 bits.
        """
        return (f"-march={target.core}", "-misa-spec=2.2", "-mabi=ilp32")

    def target_header(self, target: Target) -> str:
        """Addresses and rights that the physical memory protection is set to."""
        code, ram = target.code_region, joined_regions(target.ram)
        addresses: list[int] = []
        rights: list[int] = []
        data = (*ram, *target.peripherals)
        ranges = [(code, _READ | _EXECUTE), *((region, _READ | _WRITE) for region in data)]
        for region, access in ranges:
            addresses += [region.origin >> 2, region.end >> 2]
            rights += [0, access | _UP_TO_ADDRESS | _LOCKED]
        addresses.append(0xFFFF_FFFF)
        rights.append(_EVERYWHERE | _LOCKED)
        words = bytes(rights).ljust(8, b"\0")
        return defined(
            {
                "KG_HAS_PMP": int("pmp" in target.features),
                "KG_PMP_ADDRESSES": f"{{{', '.join(f'{a:#x}u' for a in addresses)}}}",
                "KG_PMP_RIGHTS_LOW": f"{int.from_bytes(words[:4], 'little'):#x}u",
                "KG_PMP_RIGHTS_HIGH": f"{int.from_bytes(words[4:8], 'little'):#x}u",
            }
        )

    def emulation(self, target: Target) -> Emulation:
        """Unicorn's only 32-bit model."""
        del target
        return Emulation(
            architecture=unicorn_const.UC_ARCH_RISCV,
            mode=unicorn_const.UC_MODE_RISCV32,
            core=None,
            pc=riscv_const.UC_RISCV_REG_PC,
            sp=riscv_const.UC_RISCV_REG_SP,
            link=riscv_const.UC_RISCV_REG_RA,
            operation=riscv_const.UC_RISCV_REG_A0,
            argument=riscv_const.UC_RISCV_REG_A1,
            breakpoint_exception=3,
            breakpoint_bytes=b"\x73\x00\x10\x00",
            code_bit=0,
            wide_mask=0x0003,
            wide_value=0x0003,
        )

    def exception(self, number: int) -> str:
        """By the number, as in mcause; Unicorn leaves no address in mtval."""
        return _CAUSES.get(number + 1, super().exception(number))

    def exception_pc(self, number: int, pc: int) -> int:
        """The counter stands behind the instruction; one that is undefined counts as four bytes."""
        return pc - (4 if number == _UNDEFINED_INSTRUCTION else 2)

    def cause(self, report: FaultReport) -> str:
        """By the cause register."""
        text = _CAUSES.get(report.status, "fault")
        return f"{text} at address {report.address:#010x}" if self.knows_address(report) else text

    def knows_address(self, report: FaultReport) -> bool:
        """Loads and stores leave their address in mtval."""
        return report.status in _ADDRESS_KNOWN
