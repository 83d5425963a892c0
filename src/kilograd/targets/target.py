"""A target: what the compiler needs to know of a machine. Data only, one file a target."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from kilograd.errors import KilogradError, TargetError

#: What a memory may hold; each is held by exactly one, or by none where no firmware is built.
ROLES = ("code", "stack", "data")


@dataclass(frozen=True)
class Region:
    """A piece of memory.

    Attributes:
        name: as the linker script and the error messages call it.
        origin: first address.
        length: bytes.
    """

    name: str
    origin: int
    length: int

    @property
    def end(self) -> int:
        """The first address after the region."""
        return self.origin + self.length


@dataclass(frozen=True)
class Target:
    """A machine that kilograd writes C for.

    Attributes:
        name: of its file, and as given on the command line.
        part: the chip whose memory sizes are taken.
        architecture: name of what starts, links and counts firmwares of this kind; see ``arch``.
        core: the processor, as its architecture calls it.
        features: extensions of the processor that kernels and startup code may use.
        memory: every region that a firmware may touch; empty where kilograd builds no firmware.
        code, stack, data: names of the regions that hold code, the stack and everything else.
        stack_bytes: room reserved for the stack, at the bottom of its region.
        qemu_machine: QEMU's name of a board with such a core; None if it has none.
        peripherals: registers that a port may use, besides those at addresses of the architecture.
    """

    name: str
    part: str
    architecture: str
    core: str
    features: frozenset[str] = frozenset()
    memory: tuple[Region, ...] = ()
    code: str = ""
    stack: str = ""
    data: str = ""
    stack_bytes: int = 0
    qemu_machine: str | None = None
    peripherals: tuple[Region, ...] = ()

    @property
    def is_host(self) -> bool:
        """Whether the C runs on the machine that compiles it."""
        return self.architecture == "host"

    @property
    def code_region(self) -> Region:
        """Flash: vectors, code, constants and the image of `.data`."""
        return self.region(self.code)

    @property
    def stack_region(self) -> Region:
        """The region whose lowest bytes are the stack."""
        return self.region(self.stack)

    @property
    def data_region(self) -> Region:
        """Arena, trained state, `.data` and `.bss`."""
        return self.region(self.data)

    @property
    def ram(self) -> tuple[Region, ...]:
        """All regions but flash, by address."""
        regions = (region for region in self.memory if region.name != self.code)
        return tuple(sorted(regions, key=lambda region: region.origin))

    @property
    def ram_bytes(self) -> int:
        """Bytes in all regions but flash."""
        return sum(region.length for region in self.ram)

    @property
    def data_bytes(self) -> int:
        """Most bytes that arena, trained state and variables can have.

        Neighbouring regions are used as one where that holds more; the stack is taken off.
        """
        joined = 0
        for first in range(len(self.ram)):
            run = [self.ram[first]]
            for region in self.ram[first + 1 :]:
                if region.origin != run[-1].end:
                    break
                run.append(region)
            names = {region.name for region in run}
            if self.data in names:
                stack = self.stack_bytes if self.stack in names else 0
                joined = max(joined, sum(region.length for region in run) - stack)
        return joined

    def region(self, name: str) -> Region:
        """Finds a region by name.

        Raises:
            KilogradError: the target has no such region; the host has none at all.
        """
        for region in self.memory:
            if region.name == name:
                return region
        raise KilogradError(f"target {self.name} has no memory region {name!r}")


def parse_target(name: str, contents: dict[str, Any], where: str) -> Target:
    """A target from what its file says.

    Args:
        name: of the target.
        contents: the file's tables.
        where: the file, for errors.

    Raises:
        TargetError: a field is missing, unknown or of the wrong type, or memories overlap.
    """
    reader = _Reader(contents, where)
    memory, roles = reader.memory()
    peripherals = reader.peripherals()
    _check_apart((*memory, *peripherals), where)
    target = Target(
        name=name,
        part=reader.text("part"),
        architecture=reader.text("architecture"),
        core=reader.text("core"),
        features=frozenset(reader.texts("features")),
        memory=memory,
        stack_bytes=reader.size("stack_bytes") if memory else 0,
        qemu_machine=reader.text("qemu_machine") if "qemu_machine" in contents else None,
        peripherals=peripherals,
        **roles,
    )
    reader.check_nothing_is_left()
    return target


class _Reader:
    """Takes fields out of a target's file, one at a time."""

    def __init__(self, contents: dict[str, Any], where: str) -> None:
        self._left = dict(contents)
        self._where = where

    def text(self, field: str) -> str:
        value = self._take(field)
        if not isinstance(value, str) or not value:
            raise self._error(f"{field} must be a text, not {value!r}")
        return value

    def texts(self, field: str) -> list[str]:
        values = self._take(field)
        if not isinstance(values, list):
            raise self._error(f"{field} must be a list of texts, not {values!r}")
        texts = cast("list[Any]", values)
        if not all(isinstance(value, str) for value in texts):
            raise self._error(f"{field} must be a list of texts, not {texts!r}")
        return texts

    def size(self, field: str) -> int:
        return self._size(self._take(field), field)

    def memory(self) -> tuple[tuple[Region, ...], dict[str, str]]:
        """The regions, by address, and the name of the one that holds each role."""
        regions: list[Region] = []
        roles: dict[str, str] = {}
        for name, contents in self._table(self._left.pop("memory", {}), "memory").items():
            region, held = self._region(name, self._table(contents, f"memory {name}"))
            regions.append(region)
            for role in held:
                if role in roles:
                    raise self._error(f"{role} is held by both {roles[role]} and {name}")
                roles[role] = name
        missing = [role for role in ROLES if role not in roles]
        if regions and missing:
            raise self._error(f"no memory holds the {missing[0]}")
        regions.sort(key=lambda region: region.origin)
        return tuple(regions), roles

    def peripherals(self) -> tuple[Region, ...]:
        """The registers that are listed, by address."""
        regions: list[Region] = []
        for name, contents in self._table(self._left.pop("peripherals", {}), "peripherals").items():
            of = f"peripheral {name}"
            table = self._table(contents, of)
            self._check_fields(table, ("origin", "bytes"), of)
            origin, length = (self._size(table[f], f"{of}: {f}") for f in ("origin", "bytes"))
            regions.append(Region(name, origin, length))
        return tuple(sorted(regions, key=lambda region: region.origin))

    def _check_fields(self, table: dict[str, Any], fields: tuple[str, ...], of: str) -> None:
        for field in fields:
            if field not in table:
                raise self._error(f"{of} lacks the field {field}")
        if unknown := set(table) - set(fields):
            raise self._error(f"{of} has an unknown field {', '.join(sorted(unknown))}")

    def _region(self, name: str, table: dict[str, Any]) -> tuple[Region, list[str]]:
        of = f"memory {name}"
        self._check_fields(table, ("origin", "bytes", "holds"), of)
        for role in table["holds"]:
            if role not in ROLES:
                raise self._error(f"{of} holds {role!r}; it may hold {', '.join(ROLES)}")
        origin, length = (self._size(table[f], f"{of}: {f}") for f in ("origin", "bytes"))
        return Region(name, origin, length), table["holds"]

    def _table(self, value: Any, of: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(f"{of} must be a table, not {value!r}")
        return cast("dict[str, Any]", value)

    def _size(self, value: Any, of: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._error(f"{of} must be a number of bytes, not {value!r}")
        return value

    def check_nothing_is_left(self) -> None:
        if self._left:
            raise self._error(f"unknown field {', '.join(sorted(self._left))}")

    def _take(self, field: str) -> Any:
        if field not in self._left:
            raise self._error(f"the field {field} is missing")
        return self._left.pop(field)

    def _error(self, what: str) -> TargetError:
        return _wrong(what, self._where)


def _check_apart(regions: tuple[Region, ...], where: str) -> None:
    for first, second in pairwise(sorted(regions, key=lambda region: region.origin)):
        if second.origin < first.end:
            raise _wrong(
                f"memories {first.name} and {second.name} overlap: {first.name} ends at "
                f"{first.end:#x}, {second.name} begins at {second.origin:#x}",
                where,
            )


def _wrong(what: str, where: str) -> TargetError:
    return TargetError(what, where=where, hint="docs/adding-a-target.md lists the fields")


def target_name(path: Path) -> str:
    """What a target is called after its file."""
    return path.name.removesuffix(".toml")
