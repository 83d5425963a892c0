"""A platform without packages: the compiler is the system's."""

from platformio.public import PlatformBase


class EmulatedPlatform(PlatformBase):
    """All that it needs stands in platform.json."""
