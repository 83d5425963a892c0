"""The contents of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kilograd.compiler import Program
    from kilograd.measuring.ablation import Planned
    from kilograd.measuring.firmware import Measurement
    from kilograd.report.samples import Sample
    from kilograd.report.searched import Searched
    from kilograd.training.loop import TrainingResult


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Attributes:
        title: Title of the page.
        program: The compiled program.
        measurement: The measured firmware; without one, the sections about it are left out.
        result: The result of a run; without one, the sections about it are left out.
        class_names: Names by label.
        facts: Texts that are shown as they are: seed, rate, digest, compiler version.
        samples: int8 [height, width, channels] with captions.
        sram_budget: Bytes that the firmware had to fit in, or None.
        optimizations: Plans of the same step, each with one more optimization; may be empty.
        search: What a search found; None if the report is about no search.
    """

    title: str
    program: Program
    measurement: Measurement | None
    result: TrainingResult | None
    class_names: tuple[str, ...]
    facts: Mapping[str, str]
    samples: Sequence[Sample] = ()
    sram_budget: int | None = None
    optimizations: Sequence[Planned] = ()
    search: Searched | None = None
