"""The files of a firmware that depend on the target: memory layout and protection regions."""

from __future__ import annotations

from importlib.resources import files

from kilograd.targets.target import Region, Target

_READ_ONLY = 6 << 24
_READ_WRITE_NO_EXECUTE = (1 << 28) | (3 << 24)
_NORMAL_MEMORY = 1 << 17  # cacheable: unaligned access faults on any other memory type
_ENABLE = 1


def runtime_sources() -> dict[str, str]:
    """The C of the runtime, {file name: text}, the same for every Cortex-M target."""
    folder = files("kilograd.arch.cortex_m") / "runtime"
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith((".c", ".h"))
    }


def linker_script(target: Target, *, stack_bytes: int, joined: bool = False) -> str:
    """The linker script: MEMORY from the target, then the sections that all targets share.

    Args:
        target: a target with memory regions.
        stack_bytes: room for the stack; rounded up to 8.
        joined: use neighbouring RAM regions as one, for what fits none of them alone.
    """
    memory = [region for region in target.memory if region.name != target.code]
    memory.sort(key=lambda region: region.origin)
    if joined:
        memory = _joined(memory)
    stack, data = (
        next(r.name for r in memory if r.origin <= wanted.origin < r.end)
        for wanted in (target.stack_region, target.data_region)
    )
    regions = "\n".join(
        f"  {region.name} : ORIGIN = {region.origin:#x}, LENGTH = {region.length:#x}"
        for region in [target.code_region, *memory]
    )
    roles = {"CODE": target.code, "STACK": stack, "DATA": data}
    aliases = "\n".join(f'REGION_ALIAS("KG_{role}", {name})' for role, name in roles.items())
    sections = (files("kilograd.arch.cortex_m") / "runtime" / "firmware.ld").read_text(
        encoding="utf-8"
    )
    size = f"__kg_stack_size = {-(-stack_bytes // 8) * 8};"
    return f"MEMORY\n{{\n{regions}\n}}\n{aliases}\n{size}\n{sections}"


def target_header(target: Target) -> str:
    """The text of `kg_target.h`: what the startup code must know of the processor."""
    rows = [f"{{{base:#010x}u, {attributes:#010x}u}}" for base, attributes in _mpu_regions(target)]
    has_mpu = int("mpu" in target.features)
    has_fault_status = int("fault-status" in target.features)
    return (
        "#ifndef KG_TARGET_H\n#define KG_TARGET_H\n"
        f"#define KG_HAS_FAULT_STATUS {has_fault_status}\n"
        f"#define KG_HAS_MPU {has_mpu}\n"
        f"#define KG_MPU_REGIONS {{{', '.join(rows)}}}\n"
        "#endif\n"
    )


def _mpu_regions(target: Target) -> list[tuple[int, int]]:
    """Base address and RASR register of every protection region."""
    code = target.code_region
    ram = sorted((r for r in target.memory if r != code), key=lambda region: region.origin)
    table: list[tuple[int, int]] = []
    for ranges, access in (([code], _READ_ONLY), (_joined(ram), _READ_WRITE_NO_EXECUTE)):
        for region in ranges:
            for base, size in _aligned_blocks(region):
                size_field = (size.bit_length() - 2) << 1
                table.append((base, access | _NORMAL_MEMORY | size_field | _ENABLE))
    return table


def _joined(regions: list[Region]) -> list[Region]:
    """Neighbours made one: fewer and larger protection regions."""
    joined: list[Region] = []
    for region in regions:
        if joined and joined[-1].end == region.origin:
            last = joined.pop()
            name = f"{last.name}_{region.name}"
            joined.append(Region(name, last.origin, last.length + region.length))
        else:
            joined.append(region)
    return joined


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
