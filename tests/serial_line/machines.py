"""Which UART the machines have that QEMU emulates."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Uart:
    """The first UART of a machine, as uarts.h drives it.

    Attributes:
        kind: of its driver.
        base: of its registers.
        clock: address of a counter of the board, and its ticks a second.
    """

    kind: str
    base: int
    clock: tuple[int, int] | None = None

    @property
    def flags(self):
        """For the compiler."""
        flags = [f"-DUART_KIND=UART_{self.kind}", f"-DUART_BASE={self.base:#x}u"]
        if self.clock:
            address, per_second = self.clock
            flags += [f"-DCLOCK={address:#x}u", f"-DTICKS_PER_SECOND={per_second}u"]
        return flags


_MPS2_CLOCK = (0x4002_8018, 25_000_000)

#: By target.
UARTS = {
    "cortex-m4": Uart("CMSDK", 0x4000_4000, _MPS2_CLOCK),
    "cortex-m7": Uart("CMSDK", 0x4000_4000, _MPS2_CLOCK),
    "riscv32": Uart("16550", 0x1000_0000, (0x0200_BFF8, 10_000_000)),
}
