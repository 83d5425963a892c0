"""Arm Cortex-M4 with the memory of an nRF52840."""

from kilograd.targets.target import Region, Target

CORTEX_M4 = Target(
    name="cortex-m4",
    part="nRF52840",
    zig_flags=("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4"),
    gcc_flags=("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"),
    features=frozenset({"dsp", "unaligned", "long-multiply", "divide", "mpu", "fault-status"}),
    memory=(
        Region("FLASH", 0x0000_0000, 1024 * 1024),
        Region("RAM", 0x2000_0000, 256 * 1024),
    ),
    code="FLASH",
    stack="RAM",
    data="RAM",
    stack_bytes=4096,
    unicorn_cpu="UC_CPU_ARM_CORTEX_M4",
    qemu_machine="mps2-an386",
)
