"""kilograd targets lists the machines that there are files of."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from kilograd.targets import Target, get_target, target_names


def list_targets(console: Console) -> dict[str, Any]:
    """Show and return every target."""
    table = Table("target", "part", "core", "RAM", "flash", "emulated by")
    found = [get_target(name) for name in target_names()]
    for target in found:
        row = _row(target)
        sizes = (f"{row[size] >> 10:,} KB" if row[size] else "" for size in ("ram", "flash"))
        emulators = ", ".join(row["emulators"])
        table.add_row(target.name, target.part, target.core, *sizes, emulators)
    console.print(table)
    return {"targets": [_row(target) for target in found]}


def _row(target: Target) -> dict[str, Any]:
    emulators: list[str] = []
    if target.memory:
        emulators.append("unicorn")
        if target.qemu_machine:
            emulators.append(f"qemu {target.qemu_machine}")
    return {
        "name": target.name,
        "part": target.part,
        "architecture": target.architecture,
        "core": target.core,
        "features": sorted(target.features),
        "ram": target.ram_bytes,
        "flash": target.code_region.length if target.memory else 0,
        "emulators": emulators,
    }
