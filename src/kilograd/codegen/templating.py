"""Loads the templates of C, and decides how texts get into them."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(package: str, file: str, /, **view: object) -> str:
    """Fills in a template.

    Args:
        package: whose ``templates`` folder holds it.
        file: its name, without ``.jinja``.
        view: values by the names that the template uses; a missing value is an error.
    """
    return _environment(package).get_template(f"{file}.jinja").render(**view)


def string_literal(text: str) -> str:
    r"""A C string literal of UTF-8 bytes.

    >>> print(string_literal('a "b"'))
    "a \042b\042"
    """
    written: list[str] = []
    for byte in text.encode("utf-8", "replace"):
        plain = 32 <= byte < 127 and chr(byte) not in '"\\?'  # noqa: PLR2004 - printable ASCII
        # Octal: at most three digits, so that none of the text is read as one more.
        written.append(chr(byte) if plain else f"\\{byte:03o}")
    return f'"{"".join(written)}"'


def comment(text: str) -> str:
    """Text for a C comment, which must not end there."""
    legible = "".join(letter if letter.isprintable() else " " for letter in text)
    return re.sub(r"\*(?=/)|/(?=\*)", r"\g<0> ", legible).encode("ascii", "replace").decode()


@cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=False,  # noqa: S701 - C, CMake and Markdown; texts pass the filters below
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(string_literal=string_literal, comment=comment)
    return environment
