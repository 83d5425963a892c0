"""Which model a command reads, and what samples it reads itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kilograd.cli.blame import blame
from kilograd.errors import UserError
from kilograd.frontend.open import check_classes, load_model
from kilograd.ir import Graph, is_pixel_range

_MOST_PIXELS = 4096


@dataclass(frozen=True)
class ModelSource:
    """A model as the command line names it.

    Attributes:
        model: name or path.
        input_range: as ``--input-range``; None for what the model says.
        resolution: as ``--resolution``; None for what the model was made for.
        has_label_sets: whether a sample may have several labels at once.
    """

    model: str
    input_range: str | None = None
    resolution: str | None = None
    has_label_sets: bool = False

    def load(self, classes: int | None = None) -> Graph:
        """Its forward graph.

        Args:
            classes: of a fresh head; None keeps the model's own.

        Raises:
            UserError: names the option or the file.
        """
        with blame("--classes"):
            check_classes(classes)
        pixel_range, resolution = parse_range(self.input_range), parse_resolution(self.resolution)
        return load_model(
            self.model,
            classes,
            pixel_range=pixel_range,
            resolution=resolution,
            has_label_sets=self.has_label_sets,
        )


def parse_range(text: str | None) -> tuple[float, ...] | None:
    """Two numbers with a comma between them, or two for each channel.

    Raises:
        UserError: names the option.
    """
    if text is None:
        return None
    try:
        ends = tuple(map(float, text.split(",")))
    except ValueError:
        ends = ()
    if not is_pixel_range(ends):
        raise UserError(
            f"{text!r} is not a range of two numbers that rises",
            where="--input-range",
            hint="write 0,1 or -1,1 or 0,255, or two such numbers for each channel",
        )
    return ends


def parse_resolution(text: str | None) -> tuple[int, int] | None:
    """Height and width, or one number for both.

    Raises:
        UserError: names the option.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})(?:[x×](\d{1,5}))?", text.strip())
    sizes = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
    if not 1 <= min(sizes) <= max(sizes) <= _MOST_PIXELS:
        raise UserError(
            f"{text!r} is not a resolution of 1 to {_MOST_PIXELS} pixels",
            where="--resolution",
            hint="write 96, or height and width as 96x128",
        )
    return sizes
