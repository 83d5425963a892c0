"""Which model a command reads, and what samples it reads itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kilograd.cli.blame import blame
from kilograd.errors import ModelError, UserError
from kilograd.frontend.fetch import MODELS
from kilograd.frontend.made import is_made
from kilograd.frontend.open import BACKBONES, check_classes, load_model
from kilograd.ir import Graph, LabelKind, are_ranges, is_value_range

_MOST_PIXELS = 4096

#: Of a new last layer, where nobody says how many.
_CLASSES = 10


@dataclass(frozen=True)
class ModelSource:
    """A model as the command line names it.

    Attributes:
        model: name or path.
        input_range: as ``--input-range``; None for what the model says.
        resolution: as ``--resolution``; None for what the model was made for.
        label_kind: what a sample's label is; None for a class, or what the model's own head says.
        value_range: of a new last layer that estimates a value.
    """

    model: str
    input_range: str | None = None
    resolution: str | None = None
    label_kind: LabelKind | None = None
    value_range: tuple[float, float] | None = None

    def with_labels(self, values: str | None, *, are_sets: bool) -> ModelSource:
        """The same with labels as options ask for them.

        Args:
            values: as ``--values``; None for none.
            are_sets: as ``--label-sets``.

        Raises:
            UserError: names the option.
        """
        if values is None:
            return replace(self, label_kind=LabelKind.SET) if are_sets else self
        if are_sets:
            raise UserError(
                "a label is either a value or a set of classes",
                where="--values",
                hint="leave it out, or --label-sets",
            )
        hint = "write the lowest and the highest, such as 0,100"
        low, high = _ends(values, "--values", hint)
        if not is_value_range(low, high):
            raise UserError(f"{values!r} is no range in float32", where="--values", hint=hint)
        return replace(self, label_kind=LabelKind.VALUE, value_range=(low, high))

    def classes(self, asked: int | None, *, keeps_head: bool) -> int | None:
        """Of a new last layer: as many as asked for, or one logit for a value.

        Args:
            asked: None where nobody says how many.
            keeps_head: whether the model's own last layer is asked for.

        Returns:
            None for the model's own last layer.

        Raises:
            UserError: a range of values is given, and the model's own last layer is kept.
        """
        if keeps_head:
            asked = None
        elif asked is None:
            is_own = self.label_kind is None and self.autoencoder() is not None
            asked = None if is_own else _CLASSES
        if asked is None and self.value_range is not None:
            raise UserError(
                "the model's own last layer has a range of its own",
                where="--values",
                hint="leave it out, or leave out --keep-head for a new last layer",
            )
        return 1 if asked is not None and self.label_kind is LabelKind.VALUE else asked

    @property
    def default_scheme(self) -> str:
        """What is trained where nobody says what: of a network that knows nothing, all."""
        return "full" if is_made(self.model) else "head"

    def as_it_came(self) -> Graph | None:
        """The model with its own last layer; None where that cannot be carried."""
        try:
            return replace(self, label_kind=None, value_range=None).load()
        except ModelError:
            return None

    def autoencoder(self) -> Graph | None:
        """The model as it came, where it makes its samples again; None of others."""
        if self.model in (*BACKBONES, *MODELS):
            return None  # these tell classes apart; nothing is fetched to find that out
        own = self.as_it_came()
        return own if own is not None and own.label_kind is LabelKind.ANOMALY else None

    def load(self, classes: int | None = None) -> Graph:
        """Its forward graph.

        Args:
            classes: of a fresh head; None keeps the model's own.

        Raises:
            UserError: names the option or the file.
        """
        with blame("--classes"):
            check_classes(classes, self.label_kind)
        pixel_range, resolution = parse_range(self.input_range), parse_resolution(self.resolution)
        return load_model(
            self.model,
            classes,
            pixel_range=pixel_range,
            resolution=resolution,
            label_kind=self.label_kind,
            value_range=None if classes is None else self.value_range,
        )


def parse_range(text: str | None) -> tuple[float, ...] | None:
    """Two numbers with a comma between them, or two for each channel.

    Raises:
        UserError: names the option.
    """
    if text is None:
        return None
    hint = "write 0,1 or -1,1 or 0,255, or two such numbers for each channel"
    return _ends(text, "--input-range", hint, most=None)


def _ends(text: str, option: str, hint: str, most: int | None = 2) -> tuple[float, ...]:
    try:
        ends = tuple(map(float, text.split(",")))
    except ValueError:
        ends = ()
    if not are_ranges(ends) or (most is not None and len(ends) > most):
        raise UserError(
            f"{text!r} is not a range of two numbers that rises", where=option, hint=hint
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
