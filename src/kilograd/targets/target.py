"""What the compiler needs to know of a machine: its processor, memory and compiler flags."""

from __future__ import annotations

from dataclasses import dataclass

from kilograd.errors import KilogradError

_WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Werror")


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
        name: as given on the command line.
        part: the chip whose memory sizes are taken.
        zig_flags: machine selection for `zig cc`.
        gcc_flags: machine selection for `arm-none-eabi-gcc` (or the system's `cc`).
        optimisation: flags that both compilers take.
        features: processor extensions that kernels may ask for, such as `dsp`.
        memory: every region the firmware may touch; empty for the host.
        code, stack, data: names of the regions that hold code, the stack and everything else.
        stack_bytes: room reserved for the stack, at the bottom of its region.
        unicorn_cpu: constant of `unicorn.arm_const`, or None if it cannot be emulated.
        qemu_machine: argument of `qemu-system-arm -M`, or None if it cannot be emulated.
    """

    name: str
    part: str
    zig_flags: tuple[str, ...]
    gcc_flags: tuple[str, ...]
    optimisation: tuple[str, ...] = ("-O3",)
    features: frozenset[str] = frozenset()
    memory: tuple[Region, ...] = ()
    code: str = ""
    stack: str = ""
    data: str = ""
    stack_bytes: int = 0
    unicorn_cpu: str | None = None
    qemu_machine: str | None = None

    @property
    def is_host(self) -> bool:
        """Whether the C runs on the machine that compiles it."""
        return not self.memory

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
    def ram_bytes(self) -> int:
        """Bytes in all regions but flash."""
        return sum(region.length for region in self.memory if region.name != self.code)

    def region(self, name: str) -> Region:
        """Finds a region by name.

        Raises:
            KilogradError: the target has no such region; the host has none at all.
        """
        for region in self.memory:
            if region.name == name:
                return region
        raise KilogradError(f"target {self.name} has no memory region {name!r}")

    def compile_flags(self, compiler: str) -> tuple[str, ...]:
        """Flags for every C file, for compiler `zig` or `gcc`."""
        machine = self.zig_flags if compiler == "zig" else self.gcc_flags
        return (*machine, *self.optimisation, "-g0", *_WARNINGS)
