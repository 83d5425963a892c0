"""Arm Cortex-M7 with the memory of an STM32F746."""

from kilograd.targets.target import Region, Target

CORTEX_M7 = Target(
    name="cortex-m7",
    part="STM32F746",
    zig_flags=("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m7"),
    gcc_flags=("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=soft"),
    features=frozenset({"dsp", "unaligned", "long-multiply", "divide", "mpu", "fault-status"}),
    memory=(
        Region("FLASH", 0x0000_0000, 1024 * 1024),
        Region("DTCM", 0x2000_0000, 64 * 1024),
        Region("SRAM", 0x2001_0000, 256 * 1024),
    ),
    code="FLASH",
    stack="DTCM",
    data="SRAM",
    stack_bytes=4096,
    unicorn_cpu="UC_CPU_ARM_CORTEX_M7",
    qemu_machine="mps2-an500",
)
