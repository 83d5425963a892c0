"""Small pieces of C text."""

from __future__ import annotations

import re
from typing import Any

from numpy.typing import NDArray

_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "uint16": "uint16_t", "int16": "int16_t",
          "int32": "int32_t"}  # fmt: skip


class Identifiers:
    """C identifiers for names: readable, and different for different names."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._taken: set[str] = set()

    def __call__(self, name: str) -> str:
        """The identifier of a name; the same again for the same name."""
        if name not in self._known:
            base = re.sub(r"[^A-Za-z0-9]+", "_", name)
            base = candidate = base if base[:1].isalpha() else f"v{base}"
            count = 1
            while candidate in self._taken:
                count += 1
                candidate = f"{base}_{count}"
            self._known[name] = candidate
            self._taken.add(candidate)
        return self._known[name]


def array(name: str, contents: NDArray[Any]) -> str:
    """A static constant array with its contents."""
    flat = contents.ravel().tolist()
    ctype = _TYPES[contents.dtype.name]
    lowest = str(-(2**31))
    items = ["(-2147483647 - 1)" if str(item) == lowest else str(item) for item in flat]
    lines = [",".join(items[i : i + 24]) for i in range(0, len(items), 24)]
    body = ",\n".join(lines)
    return f"static const {ctype} {name}[{len(flat)}] = {{\n{body}}};\n"
