"""Finds the .tflite file in C source: firmwares hold networks as arrays of bytes.

``xxd -i``, TensorFlow Lite Micro's examples and vendors' tools all write
``const unsigned char name[] = {0x1c, 0x00, ...};``, give or take a macro before the sign.
"""

from __future__ import annotations

import re
from pathlib import Path

from kilograd.errors import ModelError
from kilograd.frontend.content import read_content
from kilograd.frontend.tflite.identifier import is_tflite

#: Largest source; at six characters a byte, that of a network of ten megabytes.
_MAX_BYTES = 64 * 1024**2

# Each takes time in proportion to the source, whatever is in it.
_COMMENT = re.compile(rb"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_ARRAY = re.compile(rb"\b(\w{1,200})\s*\[[^\][]*\][^={;\[]{0,200}=\s*\{([^{}]*)\}")
_NUMBER = re.compile(rb"0[xX][0-9a-fA-F]{1,2}|0|[1-9][0-9]{0,2}")
_LARGEST = 255

#: Elements of an array that say whether it is a .tflite file.
_FIRST = 8


def tflite_of(path: Path) -> bytes:
    """The bytes of the .tflite file that an array of a C source holds.

    Args:
        path: of the source.

    Raises:
        ModelError: when no array holds one, or several do, or one of its numbers is no byte.
    """
    source = _COMMENT.sub(b" ", read_content(path, _MAX_BYTES))
    arrays = ((name.decode(), _elements(text)) for name, text in _ARRAY.findall(source))
    found = [(name, one) for name, one in arrays if is_tflite(_bytes(one[:_FIRST]) or b"")]
    if not found:
        raise ModelError(
            "no array of bytes in this source holds a .tflite file",
            where=str(path),
            hint="a header often only declares the array: name the source that holds its bytes",
        )
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise ModelError(
            f"there are {len(found)} networks in this source: {names}",
            where=str(path),
            hint="leave one array in a copy of it, or name the .tflite file",
        )
    ((name, elements),) = found
    content = _bytes(elements)
    if content is None:
        raise ModelError(
            f"the array {name} begins as a .tflite file, and has an element that is no byte",
            where=str(path),
            hint="make the array again from the .tflite file, or name that file",
        )
    return content


def _elements(initializer: bytes) -> list[bytes]:
    return [item.strip() for item in initializer.rstrip(b", \t\r\n").split(b",")]


def _bytes(elements: list[bytes]) -> bytes | None:
    """The numbers of an initializer; None where one is no byte."""
    if not all(_NUMBER.fullmatch(item) for item in elements):
        return None
    numbers = [int(item, 0) for item in elements]
    return bytes(numbers) if max(numbers) <= _LARGEST else None
