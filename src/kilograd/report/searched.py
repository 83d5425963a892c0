"""What a search found, as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.report.front import front
from kilograd.report.templating import markup
from kilograd.report.worth import worth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup


@dataclass(frozen=True)
class Worth:
    """What training one layer gains, and what of it was chosen.

    Attributes:
        layer: Name of the layer.
        last: Gain of all biases from this layer on; None where that was not measured.
        bias: Gain of its own bias.
        weights: Share of its input channels -> gain of training their weights.
        is_bias_chosen: True if the scheme trains the bias.
        chosen_share: Share of the weights that the scheme trains; 0 for none.
    """

    layer: str
    last: float | None
    bias: float
    weights: Mapping[float, float]
    is_bias_chosen: bool
    chosen_share: float


@dataclass(frozen=True)
class Point:
    """One scheme that was found.

    Attributes:
        name: Name of the scheme.
        budget: Bytes of SRAM that it had to fit in.
        sram_total_bytes: Bytes of SRAM that it was measured to take.
        instructions: Instructions of a training step, emulated.
        flash_bytes: Bytes of flash.
        gain: Sum of the gains of what it trains.
        bound: The largest sum that any scheme within the budget can have.
        biases: Number of layers with trained biases, the head left out.
        weights: Number of layers with trained weights, the head left out.
        accuracy: Share of the held-back training samples that it had right when the schemes of the
            front were compared; None where they were not.
    """

    name: str
    budget: int
    sram_total_bytes: int
    instructions: int
    flash_bytes: int
    gain: float
    bound: float
    biases: int
    weights: int
    accuracy: float | None = None


@dataclass(frozen=True)
class InCompany:
    """What training each part gains beside others, by trials of whole schemes.

    Attributes:
        unit: Unit of these gains.
        trials: How many there were.
        biases: One gain a layer.
        weights: One gain a layer, of all of its weights.
    """

    unit: str
    trials: int
    biases: tuple[float, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        unit: Unit of all gains.
        tasks: Names of the data sets that it learned from.
        method: How gains were found.
        layers: All layers but the head, in forward order.
        points: Schemes in ascending order of budget; the last is the one that the page shows.
        in_company: What the schemes were chosen by, if not by the gains of single layers.
    """

    unit: str
    tasks: tuple[str, ...]
    method: str
    layers: tuple[Worth, ...]
    points: tuple[Point, ...]
    in_company: InCompany | None = None

    @property
    def is_compared(self) -> bool:
        """Tell whether the schemes were compared by runs of their own."""
        return all(point.accuracy is not None for point in self.points)


@dataclass(frozen=True)
class SearchSection:
    """The section of the page.

    Attributes:
        found: What was found.
        gains: The plot of what each layer is worth.
        front: The plot of all schemes; None where there is one only.
    """

    found: Searched
    gains: Markup
    front: Markup | None


def search_section(found: Searched) -> SearchSection:
    """Draw both plots."""
    drawn = markup(front(found)) if len(found.points) > 1 else None
    return SearchSection(found, markup(worth(found)), drawn)
