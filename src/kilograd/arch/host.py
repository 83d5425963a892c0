"""Machines for which kilograd builds no firmware: this one, and any other."""

from __future__ import annotations

from kilograd.arch.base import Architecture
from kilograd.targets import Target


class Host(Architecture):
    """The machine that kilograd itself runs on."""

    name = "host"
    features = frozenset({"vectors"})
    gcc = ("cc", "gcc")
    gcc_package = "gcc"

    def knows(self, core: str) -> bool:
        """Only the processor that is there."""
        return core == "native"

    def zig_flags(self, target: Target) -> tuple[str, ...]:
        """All that this processor can."""
        return (f"-mcpu={target.core}",)

    def gcc_flags(self, target: Target) -> tuple[str, ...]:
        """The same.

        GCC warns that functions which return vectors wider than the processor's have no stable
        interface. Ours are all inlined, so there is none.
        """
        return (f"-march={target.core}", "-Wno-psabi")


class Portable(Architecture):
    """Any machine with a C11 compiler: sources are written, nothing is built."""

    name = "portable"
    features = frozenset[str]()
    gcc = ()
    gcc_package = ""

    def knows(self, core: str) -> bool:
        """Any."""
        return core == "any"

    def zig_flags(self, target: Target) -> tuple[str, ...]:
        """None."""
        del target
        return ()

    def gcc_flags(self, target: Target) -> tuple[str, ...]:
        """None."""
        del target
        return ()
