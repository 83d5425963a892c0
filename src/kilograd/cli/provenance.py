"""What a run was made with, beside what the run itself knows."""

from __future__ import annotations

import shlex
import sys
from datetime import datetime, timezone


def provenance() -> dict[str, str]:
    """When, and by which command line; for JSON and for reports."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(["kilograd", *sys.argv[1:]]),
    }
