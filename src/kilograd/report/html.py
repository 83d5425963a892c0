"""Write the page as one file that needs no script, no font and no network."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kilograd.errors import UserError
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
        path: The HTML file; its folder must exist.
        report: The contents.

    Raises:
        UserError: The file cannot be written.
    """
    text = render_report(report)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise UserError(
            f"the report cannot be written: {getattr(error, 'strerror', None) or error}",
            where=str(path),
            hint="name a file in a folder that exists and that you may write to",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
