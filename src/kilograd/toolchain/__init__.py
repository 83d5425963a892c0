"""C sources to firmwares, shared libraries and programs; what a linked firmware holds."""

from kilograd.toolchain.build import (
    build_firmware,
    build_host_executable,
    build_host_library,
)
from kilograd.toolchain.compilers import Compiler, compiler_version
from kilograd.toolchain.elf import (
    FirmwareSizes,
    Symbols,
    firmware_sizes,
    load_segments,
    read_symbols,
)
from kilograd.toolchain.job import Build

__all__ = [
    "Build",
    "Compiler",
    "FirmwareSizes",
    "Symbols",
    "build_firmware",
    "build_host_executable",
    "build_host_library",
    "compiler_version",
    "firmware_sizes",
    "load_segments",
    "read_symbols",
]
