"""Small pieces of C text."""

from __future__ import annotations

import re
from typing import Any

from numpy.typing import NDArray

_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "uint16": "uint16_t", "int16": "int16_t",
          "int32": "int32_t"}  # fmt: skip


def identifier(name: str) -> str:
    """A C identifier from a value's or node's name; distinct names stay distinct."""
    return re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match[0]):x}_"[:-1], name)


def array(name: str, contents: NDArray[Any]) -> str:
    """A static constant array with its contents."""
    flat = contents.ravel().tolist()
    ctype = _TYPES[contents.dtype.name]
    lowest = str(-(2**31))
    items = ["(-2147483647 - 1)" if str(item) == lowest else str(item) for item in flat]
    lines = [",".join(items[i : i + 24]) for i in range(0, len(items), 24)]
    body = ",\n".join(lines)
    return f"static const {ctype} {name}[{len(flat)}] = {{\n{body}}};\n"
