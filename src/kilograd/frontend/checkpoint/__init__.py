"""Reads the int8 checkpoints of mit-han-lab/tiny-training, without running anything in them.

`archive` turns the file into plain values and arrays; `validate` turns those into the frozen
layers of `layers`, every field checked. Whatever is wrong with a file is one `ModelError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.frontend.checkpoint.archive import read_archive
from kilograd.frontend.checkpoint.layers import Block, Checkpoint, ConvLayer, Residual
from kilograd.frontend.checkpoint.validate import validate

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Block", "Checkpoint", "ConvLayer", "Residual", "read_checkpoint"]


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads one checkpoint file; its stem becomes the checkpoint's name.

    Raises:
        ModelError: the file is missing, damaged, hostile, or no int8 checkpoint of the known kind.
    """
    return validate(read_archive(path), path)
