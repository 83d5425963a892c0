"""Regions of the memory protection unit: flash is read-only, RAM holds no code."""

from __future__ import annotations

from kilograd.arch.link import joined_regions
from kilograd.targets import Region, Target

_READ_ONLY = 6 << 24
_READ_WRITE_NO_EXECUTE = (1 << 28) | (3 << 24)
_NORMAL_MEMORY = 1 << 17  # cacheable: unaligned access faults on any other memory type
_ENABLE = 1


def protection_regions(target: Target) -> list[tuple[int, int]]:
    """Base address and RASR register of every protection region."""
    table: list[tuple[int, int]] = []
    ram = joined_regions(target.ram)
    for ranges, access in (([target.code_region], _READ_ONLY), (ram, _READ_WRITE_NO_EXECUTE)):
        for region in ranges:
            for base, size in _aligned_blocks(region):
                size_field = (size.bit_length() - 2) << 1
                table.append((base, access | _NORMAL_MEMORY | size_field | _ENABLE))
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
