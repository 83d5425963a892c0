"""Arm Cortex-M0+ with the memory of an RP2040.

It multiplies 32 by 32 bits to 32, divides in software and faults on unaligned access.
No emulated machine of QEMU has such a core with enough RAM.
"""

from kilograd.targets.target import Region, Target

CORTEX_M0PLUS = Target(
    name="cortex-m0plus",
    part="RP2040",
    zig_flags=("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"),
    gcc_flags=("-mcpu=cortex-m0plus", "-mthumb", "-mfloat-abi=soft"),
    memory=(
        Region("FLASH", 0x1000_0000, 2 * 1024 * 1024),
        Region("RAM", 0x2000_0000, 264 * 1024),
    ),
    code="FLASH",
    stack="RAM",
    data="RAM",
    stack_bytes=4096,
    unicorn_cpu="UC_CPU_ARM_CORTEX_M0",
)
