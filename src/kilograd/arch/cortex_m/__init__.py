"""Arm Cortex-M: startup, fault handlers, memory protection, semihosting."""

from __future__ import annotations

from unicorn import arm_const, unicorn_const

from kilograd.arch.base import Architecture, Emulation, FaultReport, defined
from kilograd.arch.cortex_m.mpu import protection_regions
from kilograd.targets import Target

#: Unicorn's model of each core.
_MODELS = {
    "cortex-m0": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
    "cortex-m55": arm_const.UC_CPU_ARM_CORTEX_M33,
}
#: Cores whose firmwares are built for another, of which they have all instructions: kilograd uses
#: none of the others, and Unicorn has no model of them.
_BUILT_FOR = {"cortex-m55": "cortex-m33"}
#: Cores that are made with DSP instructions or without them; the others have them or have not.
_WITH_OR_WITHOUT_DSP = frozenset({"cortex-m33"})
_SYSTEM_CONTROL_SPACE = (0xE000_E000, 0x1000)

# Bits of the Configurable Fault Status Register, in the order in which they explain most.
_CAUSES = (
    (1 << 16, "undefined instruction"),
    (1 << 24, "unaligned access"),
    (1 << 25, "division by zero"),
    (1 << 0, "jump to an address that holds no code"),
    (1 << 17, "jump to an address that holds no code"),
    (1 << 8, "jump to an address that holds no code"),
    (1 << 1, "bad access"),
    (1 << 9, "bad access"),
    (1 << 10, "bad access (late)"),
)
_ADDRESS_KNOWN = (1 << 7) | (1 << 15)
_STACKING_FAILED = (1 << 4) | (1 << 12)


class CortexM(Architecture):
    """Armv6-M to Armv8-M, in Thumb state, without its floating-point unit."""

    name = "cortex-m"
    features = frozenset({"dsp", "unaligned", "mpu", "fault-status"})
    gcc = ("arm-none-eabi-gcc",)
    gcc_package = "gcc-arm-none-eabi"
    qemu = "qemu-system-arm"
    qemu_package = "qemu-system-arm"
    runtime = "kilograd.arch.cortex_m"

    def knows(self, core: str) -> bool:
        """Any that Unicorn has a model of, or of another with which it shares what is used."""
        return core in _MODELS

    def zig_flags(self, target: Target) -> tuple[str, ...]:
        """Thumb, soft floating point."""
        built_for = _BUILT_FOR.get(target.core, target.core)
        core = built_for.replace("-", "_")
        if built_for in _WITH_OR_WITHOUT_DSP:
            core += "+dsp" if "dsp" in target.features else "-dsp"
        return ("-target", "thumb-freestanding-eabi", f"-mcpu={core}")

    def gcc_flags(self, target: Target) -> tuple[str, ...]:
        """The same."""
        core = _BUILT_FOR.get(target.core, target.core)
        if core in _WITH_OR_WITHOUT_DSP and "dsp" not in target.features:
            core += "+nodsp"
        return (f"-mcpu={core}", "-mthumb", "-mfloat-abi=soft")

    def target_header(self, target: Target) -> str:
        """Whether there are a protection unit and a fault status register; regions to protect."""
        rows = [
            f"{{{base:#010x}u, {access:#010x}u}}" for base, access in protection_regions(target)
        ]
        return defined(
            {
                "KG_HAS_FAULT_STATUS": int("fault-status" in target.features),
                "KG_HAS_MPU": int("mpu" in target.features),
                "KG_MPU_REGIONS": f"{{{', '.join(rows)}}}",
            }
        )

    def emulation(self, target: Target) -> Emulation:
        """The core's model; the system control space is plain memory.

        A protection unit that reads as zero regions is not there.
        """
        return Emulation(
            architecture=unicorn_const.UC_ARCH_ARM,
            mode=unicorn_const.UC_MODE_THUMB | unicorn_const.UC_MODE_MCLASS,
            core=_MODELS[target.core],
            pc=arm_const.UC_ARM_REG_PC,
            sp=arm_const.UC_ARM_REG_SP,
            link=arm_const.UC_ARM_REG_LR,
            operation=arm_const.UC_ARM_REG_R0,
            argument=arm_const.UC_ARM_REG_R1,
            breakpoint_exception=7,
            breakpoint_bytes=b"\xab\xbe",
            code_bit=1,
            wide_mask=0xF800,
            wide_value=0xE800,
            mapped=(_SYSTEM_CONTROL_SPACE,),
        )

    def cause(self, report: FaultReport) -> str:
        """By the Configurable Fault Status Register."""
        text = next((text for bit, text in _CAUSES if report.status & bit), "fault")
        known = self.knows_address(report)
        return f"{text} at address {report.address:#010x}" if known else text

    def knows_address(self, report: FaultReport) -> bool:
        """Whether a fault address register is valid."""
        return bool(report.status & _ADDRESS_KNOWN)

    def overflowed(self, report: FaultReport) -> bool:
        """The processor could not push a frame."""
        return bool(report.status & _STACKING_FAILED)
