"""Architectures: how a firmware of each is started, linked, stopped and emulated.

A target is data; what its kind of processors has in common is here, one folder each.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kilograd.arch.base import Architecture, Emulation, FaultReport
from kilograd.arch.cortex_m import CortexM
from kilograd.arch.host import Host, Portable
from kilograd.arch.link import linker_script
from kilograd.arch.riscv import RiscV
from kilograd.errors import TargetError
from kilograd.targets import Target

#: Every architecture by name.
ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {architecture.name: architecture for architecture in (CortexM(), RiscV(), Host(), Portable())}
)


def architecture_of(target: Target) -> Architecture:
    """The architecture of a target, which it has checked.

    Raises:
        TargetError: there is no such architecture, or it does not know the core or a feature.
    """
    if target.architecture not in ARCHITECTURES:
        raise TargetError(
            f"unknown architecture {target.architecture!r}",
            where=target.name,
            hint=f"choose one of {', '.join(ARCHITECTURES)}",
        )
    architecture = ARCHITECTURES[target.architecture]
    architecture.check(target)
    return architecture


__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Emulation",
    "FaultReport",
    "architecture_of",
    "linker_script",
]
