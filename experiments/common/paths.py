"""Where things are: the repository, its pages, and the published files beside it."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SHARED = ROOT.parent / "shared"

#: The published checkpoints that everything is measured on.
BACKBONES = ("mcunet-5fps", "mbv2-w0.35", "proxyless-w0.3")


def checkpoint(name: str) -> str:
    """Path of a published checkpoint."""
    return str(SHARED / "models" / f"{name}.pkl")


def data_file(name: str) -> Path:
    """Path of a data pack, by its file's name."""
    return SHARED / "data" / name


def require_shared() -> None:
    """Exit where the published checkpoints and data packs are not at hand."""
    if not SHARED.is_dir():
        sys.exit("the published checkpoints and data packs (../shared) are not here")
