"""What a linked firmware needs, and which function an address belongs to."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from elftools.elf.elffile import ELFFile

from kilograd.errors import ToolchainError
from kilograd.toolchain.job import cleared

if TYPE_CHECKING:
    from pathlib import Path

_ARENA = "kg_arena"
_STATE = "kg_state_buffer"


@dataclass(frozen=True)
class FirmwareSizes:
    """Bytes of a linked firmware.

    Attributes:
        text: vectors and code.
        rodata: constants, frozen weights among them.
        data: `.data`; it counts in flash and in RAM.
        bss: everything that starts as zero, the arena and the trained state among it.
        arena: the symbol `kg_arena`.
        trainable: the symbol `kg_state_buffer`.
        flash_bytes: everything loaded into flash, with the image of `.data`.
        data_bss: `.data` and `.bss` without the arena and the trained state.
    """

    text: int
    rodata: int
    data: int
    bss: int
    arena: int
    trainable: int
    flash_bytes: int
    data_bss: int


@dataclass(frozen=True)
class Symbols:
    """Addresses of a firmware by name, and names by address.

    Attributes:
        functions: (address, size, name), by address; the Thumb bit is cleared.
        addresses: every global and local symbol.
        sizes: bytes of every symbol.
    """

    functions: tuple[tuple[int, int, str], ...]
    addresses: dict[str, int]
    sizes: dict[str, int]

    def bytes_between(self, start: int, end: int) -> int:
        """Bytes of all variables in a range of addresses, without what lies between them."""
        inside = (name for name, address in self.addresses.items() if start <= address < end)
        return sum(self.sizes[name] for name in inside)

    def function_at(self, address: int) -> str | None:
        """The name of the function that holds an address; None if no function does."""
        clean = address & ~1
        index = bisect_right(self.functions, clean, key=lambda entry: entry[0]) - 1
        if index < 0:
            return None
        start, size, name = self.functions[index]
        return name if clean < start + max(size, 2) else None


def read_symbols(elf: Path) -> Symbols:
    """Reads the symbol table of a firmware.

    Raises:
        ToolchainError: the file is no ELF file, or has no symbols.
    """
    functions: list[tuple[int, int, str]] = []
    addresses: dict[str, int] = {}
    sizes: dict[str, int] = {}
    with _read(elf) as stream:
        table: Any = _open(stream, elf).get_section_by_name(".symtab")
        if table is None:
            raise ToolchainError("the firmware has no symbols", where=str(elf))
        for symbol in table.iter_symbols():
            value, size = int(symbol["st_value"]), int(symbol["st_size"])
            if symbol["st_info"]["type"] == "STT_FUNC":
                value &= ~1
                functions.append((value, size, symbol.name))
            if symbol.name:
                addresses[symbol.name] = value
                sizes[symbol.name] = size
    return Symbols(tuple(sorted(functions)), addresses, sizes)


def load_segments(elf: Path) -> list[tuple[int, bytes]]:
    """The bytes a firmware puts into flash: (address they are loaded at, bytes)."""
    with _read(elf) as stream:
        return [
            (int(segment["p_paddr"]), bytes(segment.data()))
            for segment in _open(stream, elf).iter_segments()
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
        ]


def firmware_sizes(elf: Path) -> FirmwareSizes:
    """Measures a firmware as linked.

    Raises:
        ToolchainError: the file is no ELF file, or has no symbols.
    """
    symbols = read_symbols(elf)
    sections = {".text": 0, ".rodata": 0, ".data": 0, ".bss": 0, ".kg_state": 0}
    with _read(elf) as stream:
        for section in _open(stream, elf).iter_sections():
            if section.name in sections:
                sections[section.name] = int(section["sh_size"])
    arena = symbols.sizes.get(_ARENA, 0)
    trainable = symbols.sizes.get(_STATE, 0)
    bss = sections[".bss"] + sections[".kg_state"]
    return FirmwareSizes(
        text=sections[".text"],
        rodata=sections[".rodata"],
        data=sections[".data"],
        bss=bss,
        arena=arena,
        trainable=trainable,
        flash_bytes=sum(len(data) for _, data in load_segments(elf)),
        data_bss=sections[".data"] + bss - arena - trainable,
    )


def _read(elf: Path) -> BinaryIO:
    try:
        return elf.open("rb")
    except FileNotFoundError as error:
        raise cleared(elf) from error


def _open(stream: Any, elf: Path) -> Any:
    try:
        return ELFFile(stream)
    except Exception as error:
        raise ToolchainError("this is no ELF file", where=str(elf)) from error
