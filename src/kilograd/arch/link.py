"""The linker script of a firmware: memories of the target, sections that all targets share."""

from __future__ import annotations

from importlib.resources import files

from kilograd.targets import Region, Target


def linker_script(target: Target, *, stack_bytes: int, joined: bool = False) -> str:
    """The linker script: MEMORY from the target, then the sections that all targets share.

    Args:
        target: a target with memory regions.
        stack_bytes: room for the stack; rounded up to 16.
        joined: use neighbouring RAM regions as one, for what fits none of them alone.
    """
    memory = joined_regions(target.ram) if joined else list(target.ram)
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
    sections = (files("kilograd.arch") / "runtime" / "firmware.ld").read_text(encoding="utf-8")
    size = f"__kg_stack_size = {-(-stack_bytes // 16) * 16};"
    return f"MEMORY\n{{\n{regions}\n}}\n{aliases}\n{size}\n{sections}"


def joined_regions(regions: tuple[Region, ...]) -> list[Region]:
    """Neighbours made one: fewer and larger regions. They come and go by address."""
    joined: list[Region] = []
    for region in regions:
        if joined and joined[-1].end == region.origin:
            last = joined.pop()
            name = f"{last.name}_{region.name}"
            joined.append(Region(name, last.origin, last.length + region.length))
        else:
            joined.append(region)
    return joined
