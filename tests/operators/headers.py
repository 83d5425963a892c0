"""What the C headers of operators declare."""

import re
from pathlib import Path

from kilograd.ops import arithmetic

WINDOW = Path(arithmetic.__path__[0]) / "kg_window.h"


def struct_members(header: str, name: str) -> set[str]:
    """Names of the members of a struct, or of the struct that it is another name of."""
    alias = re.search(rf"typedef (\w+) {name};", header)
    if alias is not None:
        return struct_members(header, alias[1])
    (body,) = re.findall(rf"typedef struct \{{([^{{}}]*)\}} {name};", header)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
    body = body.replace("KG_WINDOW_MEMBERS", window_members())
    declared = [part.split(",") for part in body.split(";") if part.strip()]
    return {re.findall(r"\w+", item)[-1] for items in declared for item in items}


def window_members() -> str:
    """What every kernel with a window has."""
    found = re.search(r"#define KG_WINDOW_MEMBERS(.*?)\n\n", WINDOW.read_text(), re.DOTALL)
    return found[1].replace("\\", "")
