"""Names of a second model in the same firmware: every file and symbol with another prefix."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kilograd.errors import UserError

#: What all names begin with that the linker or the preprocessor sees.
DEFAULT_PREFIX = "kg"

_HEADER = "kilograd.h"
_PREFIX = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 32
_NAME = re.compile(
    r"\bkg_(?=[a-z0-9])|(?:\b|(?<=-D))KG_(?=[A-Z0-9])|\bKILOGRAD_H\b|\bkilograd\.h\b"
)


def check_prefix(prefix: str) -> None:
    """Refuses what no C name can begin with.

    Raises:
        UserError: it is no lower-case name, too long, or means something else in C.
    """
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST:
        raise UserError(
            f"{prefix!r} is not a prefix for names in C",
            hint="take a word of lower-case letters and digits, such as gesture",
        )
    if prefix != DEFAULT_PREFIX and prefix.split("_", maxsplit=1)[0] in {
        DEFAULT_PREFIX,
        "kilograd",
    }:
        raise UserError(
            f"the prefix {prefix!r} belongs to kilograd", hint="take another word, such as gesture"
        )


def renamed(texts: Mapping[str, str], prefix: str) -> dict[str, str]:
    """File name -> text, with ``prefix`` in the place of ``kg`` in both.

    ``kilograd.h`` becomes ``<prefix>.h``.
    """
    if prefix == DEFAULT_PREFIX:
        return dict(texts)
    upper = prefix.upper()
    header = f"{prefix}.h"
    words = {"kg_": f"{prefix}_", "KG_": f"{upper}_", "KILOGRAD_H": f"{upper}_H", _HEADER: header}

    def replaced(text: str) -> str:
        return _NAME.sub(lambda match: words[match.group()], text)

    return {replaced(name): replaced(text) for name, text in texts.items()}
