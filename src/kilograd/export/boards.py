"""Which boards a library is for, in the words of each ecosystem that has such words."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kilograd.ops.kernel import DSP, HOST

#: Arduino's architectures with processors that have Armv7E-M's DSP instructions. Of some, only
#: newer boards do; on the others the kernels stop with an error that says so.
_ARDUINO_DSP = (
    *("apollo3", "mbed_edge", "mbed_giga", "mbed_nano", "mbed_nicla", "mbed_opta", "mbed_portenta"),
    *("nrf52", "renesas_portenta", "renesas_uno", "rp2040", "samd", "silabs", "stm32", "teensy"),
    "zephyr",
)
#: Those that have other processors of 32 bits.
_ARDUINO_PLAIN = ("esp32", "esp8266", "mbed_rp2040", "sam", "xmc")

#: PlatformIO's platforms, likewise.
_PLATFORMIO_DSP = (
    *("atmelsam", "freescalekinetis", "infineonxmc", "maxim32", "nordicnrf52", "nxpimxrt"),
    *("nxplpc", "raspberrypi", "renesas-ra", "siliconlabsefm32", "ststm32", "teensy", "titiva"),
)
_PLATFORMIO_PLAIN = (
    *("chipsalliance", "espressif32", "espressif8266", "gd32v", "linux_arm", "linux_i686"),
    *("linux_x86_64", "native", "nordicnrf51", "nuclei", "sifive", "wiznet7500"),
)


@dataclass(frozen=True)
class Boards:
    """Boards that can run the kernels of a target.

    Attributes:
        arduino: values of ``architectures`` in ``library.properties``.
        platformio: values of ``platforms`` in ``library.json``.
        esp: whether chips of Espressif are among them, which ESP-IDF builds for.
        needs_dsp: whether they all have Armv7E-M's DSP instructions.
    """

    arduino: tuple[str, ...]
    platformio: tuple[str, ...]
    esp: bool
    needs_dsp: bool


def boards_for(features: Collection[str]) -> Boards | None:
    """The boards that run what is compiled for these features; None where only PCs do."""
    if HOST.runs_on(features):
        return None
    if DSP.runs_on(features):
        return Boards(_ARDUINO_DSP, _PLATFORMIO_DSP, esp=False, needs_dsp=True)
    arduino, platformio = _ARDUINO_DSP + _ARDUINO_PLAIN, _PLATFORMIO_DSP + _PLATFORMIO_PLAIN
    return Boards(tuple(sorted(arduino)), tuple(sorted(platformio)), esp=True, needs_dsp=False)
