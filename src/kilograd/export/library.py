"""A folder of C as a library: its name, and the files that describe it to each ecosystem."""

from __future__ import annotations

import re

from kilograd.export.boards import Boards
from kilograd.export.prefix import DEFAULT_PREFIX

#: Arduino takes 63 letters, and a prefix has at most 32.
_LONGEST_MODEL = 30


def library_name(model: str, prefix: str) -> str:
    """What the library is called everywhere: of the headers' first word and the model.

    Args:
        model: its name, whatever it holds.
        prefix: of all names in C; `check_prefix` has taken it.

    >>> library_name("kilograd-motion", "kg"), library_name("MCUNet 5fps", "voice")
    ('kilograd_motion', 'voice_mcunet_5fps')
    """
    words = re.sub(r"[^a-z0-9]+", "_", model.lower()).strip("_").removeprefix("kilograd_")
    first = "kilograd" if prefix == DEFAULT_PREFIX else prefix
    return f"{first}_{words[:_LONGEST_MODEL].strip('_') or 'model'}"


def library_files(library: str, boards: Boards | None) -> dict[str, str]:
    """The files beside the C, each with the template that it is made from.

    Args:
        library: its name.
        boards: that it is for; None for PCs, whose programs take it by CMake or by itself.
    """
    everywhere = {
        "README.md": "README.md",
        "LICENSE": "LICENSE",
        "CMakeLists.txt": "CMakeLists.txt",
        "examples/example_main.c": "example_main.c",
    }
    if boards is None:
        return everywhere
    esp = {"idf_component.yml": "idf_component.yml"} if boards.esp else {}
    return {
        **everywhere,
        **esp,
        "examples/Learn/Learn.ino": "Learn.ino",
        "library.properties": "library.properties",
        "library.json": "library.json",
        "zephyr/module.yml": "zephyr/module.yml",
        "zephyr/Kconfig": "zephyr/Kconfig",
        "zephyr/CMakeLists.txt": "zephyr/CMakeLists.txt",
        f"kilograd.{library}.pdsc": "pack.pdsc",
    }
