"""Write the page as one file that needs no script, no font and no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kilograd.files import write_atomically
from kilograd.report.page import make_page
from kilograd.report.templating import render

if TYPE_CHECKING:
    from kilograd.report.contents import Report


def render_report(report: Report) -> str:
    """Return the page as HTML that is also well-formed XML."""
    return render("page", page=make_page(report))


def write_report(path: Path, report: Report) -> None:
    """Write the page completely or not at all.

    Args:
        path: The HTML file.
        report: The contents.

    Raises:
        UserError: The file cannot be written.
    """
    write_atomically(path, render_report(report).encode("utf-8"))
