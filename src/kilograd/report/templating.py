"""Load the page's templates, and decide how they write values."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kilograd.report.svg import legible
from kilograd.report.units import kibibytes, millions, percent, thousands


def render(name: str, **view: object) -> str:
    """Fill in a template; every text is escaped.

    Args:
        name: Name of the template, without ``.html.jinja``.
        view: Values by the names that the template uses; a missing value is an error.
    """
    return _environment().get_template(f"{name}.html.jinja").render(**view)


def markup(text: str) -> Markup:
    """Mark a drawing or a style sheet, which goes into the page unescaped.

    Args:
        text: Markup that this package made, with its texts escaped.
    """
    return Markup(text)  # noqa: S704 - svg.py escapes all texts in drawings


def breakable(text: str) -> Markup:
    """Let a long name continue on another line after its dots and slashes, or underscores."""
    ends = "[./]" if re.search(r"[./]\w", text) else "_"
    return Markup("<wbr />").join(re.split(rf"(?<={ends})(?=\w)", legible(text)))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("kilograd.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for written in (breakable, kibibytes, millions, percent, thousands):
        environment.filters[written.__name__] = written
    return environment


def _finalize(value: object) -> object:
    """Replace the characters that XML forbids in a text; escaping comes later."""
    return legible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
