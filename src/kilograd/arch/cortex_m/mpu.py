"""Regions of the memory protection unit: flash is read-only, RAM and registers hold no code."""

from __future__ import annotations

from kilograd.arch.link import joined_regions
from kilograd.targets import Region, Target

_READ_ONLY = 6 << 24
_READ_WRITE_NO_EXECUTE = (1 << 28) | (3 << 24)
_NORMAL_MEMORY = 1 << 17  # cacheable: unaligned access faults on any other memory type
_DEVICE_MEMORY = 1 << 16
_ENABLE = 1

#: Where the architecture has the registers of a chip's peripherals, such as its UARTs.
_PERIPHERALS = Region("PERIPHERALS", 0x4000_0000, 0x2000_0000)


def protection_regions(target: Target) -> list[tuple[int, int]]:
    """Base address and RASR register of every protection region."""
    table: list[tuple[int, int]] = []
    kinds = (
        ([target.code_region], _READ_ONLY | _NORMAL_MEMORY),
        (joined_regions(target.ram), _READ_WRITE_NO_EXECUTE | _NORMAL_MEMORY),
        ([_PERIPHERALS, *target.peripherals], _READ_WRITE_NO_EXECUTE | _DEVICE_MEMORY),
    )
    for ranges, attributes in kinds:
        for region in ranges:
            for base, size in _aligned_blocks(region):
                size_field = (size.bit_length() - 2) << 1
                table.append((base, attributes | size_field | _ENABLE))
    return table


def _aligned_blocks(region: Region) -> list[tuple[int, int]]:
    """(base, size) of the fewest powers of two, each aligned to its size, that fill a region."""
    blocks: list[tuple[int, int]] = []
    base = region.origin
    while base < region.end:
        largest = 1 << ((region.end - base).bit_length() - 1)
        size = min(largest, base & -base) if base else largest
        blocks.append((base, size))
        base += size
    return blocks
