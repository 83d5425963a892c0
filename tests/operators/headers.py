"""What the C headers of operators declare."""

import re
from pathlib import Path

from kilograd.ops import arithmetic

WINDOW = Path(arithmetic.__path__[0]) / "kg_window.h"
SHARED_MEMBERS = ("KG_WINDOW_MEMBERS", "KG_SPACED_WINDOW_MEMBERS", "KG_POOL_MEMBERS")


def struct_members(header: str, name: str) -> set[str]:
    """Names of the members of a struct, or of the struct that it is another name of."""
    alias = re.search(rf"typedef (\w+) {name};", header)
    if alias is not None:
        return struct_members(header, alias[1])
    (body,) = re.findall(rf"typedef struct \{{([^{{}}]*)\}} {name};", header)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
    for members, text in ((m, header + WINDOW.read_text()) for m in SHARED_MEMBERS):
        if members in body:
            body = body.replace(members, defined(members, text))
    declared = [part.split(",") for part in body.split(";") if part.strip()]
    return {re.findall(r"\w+", item)[-1] for items in declared for item in items}


def defined(members: str, text: str) -> str:
    """What a macro that stands for members of several structs says."""
    found = re.search(rf"#define {members}(.*?)\n\n", text, re.DOTALL)
    return found[1].replace("\\", "")
