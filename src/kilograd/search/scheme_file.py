"""A found scheme as a TOML file that says where it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from kilograd.scheme import Scheme
from kilograd.search.calibration import Found
from kilograd.search.comparison import Comparison
from kilograd.search.contributions import Contributions
from kilograd.search.tasks import Task
from kilograd.version import VERSION


@dataclass(frozen=True)
class Origin:
    """What a scheme was found for, and by.

    Attributes:
        model: the network's name.
        kind: of input, ``held`` or ``streamed``.
        contributions: of its parts.
        tasks: that these come from.
        tried_on: names of the data sets of trials; empty if there were none.
    """

    model: str
    kind: str
    contributions: Contributions
    tasks: Sequence[Task]
    tried_on: Sequence[str] = ()


def scheme_text(found: Found, origin: Origin, comparison: Comparison | None = None) -> str:
    """The text of a scheme file, with its provenance in comments.

    Args:
        found: the scheme.
        origin: where it comes from.
        comparison: of the schemes of a front; None where it stands alone.
    """
    measured, budgets = found.measurement, found.budgets
    limits = [f"{budgets.sram:,} bytes of SRAM"]
    if budgets.instructions is not None:
        limits.append(f"{budgets.instructions:,} instructions a training step")
    if budgets.flash is not None:
        limits.append(f"{budgets.flash:,} bytes of flash")
    share = 100 * found.solution.gain / found.solution.bound if found.solution.bound else 100
    searched = f"{origin.model}, samples {origin.kind}, on {measured.target}"
    alone = f"{origin.contributions.method} ({origin.contributions.unit})"
    notes = [
        f"Found by kilograd {VERSION} for {searched}.",
        f"Contributions: {alone}, of the training samples of",
        *(f"  {task.name}, SHA-256 {task.digest[:16]}" for task in origin.tasks),
        *_trials(origin.tried_on),
        f"Budget: {', '.join(limits)}.",
        f"Measured: {measured.sram_total_bytes:,} bytes of SRAM,",
        f"  {measured.instructions_train_step:,} instructions a training step, emulated,",
        f"  {measured.flash_bytes:,} bytes of flash.",
        f"Its contributions sum to {share:.2f}% of the most that any scheme within the budget has.",
        *_compared(found, comparison),
    ]
    return "".join(f"# {note}\n" for note in notes) + _table(found.scheme, origin.model)


def _trials(tried_on: Sequence[str]) -> list[str]:
    if not tried_on:
        return []
    names = (f"  {name}" for name in tried_on)
    return ["In company: by trials of whole schemes, on training samples of", *names]


def _compared(found: Found, comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return []
    right = f"{comparison.accuracy(found.choice):.1%} of held-back training samples right"
    return [
        f"Compared with the others of its front: {right}, in {len(comparison.weights)} runs.",
        "Schemes that take more stand there only if they lead by two standard errors.",
    ]


def _table(scheme: Scheme, model: str) -> str:
    biases = "".join(f"    {json.dumps(name)},\n" for name in scheme.biases)
    weights = "".join(f"{json.dumps(name)} = {share}\n" for name, share in scheme.weights.items())
    return (
        f"name = {json.dumps(scheme.name)}\nmodel = {json.dumps(model)}\n\n"
        f"[bias]\nlayers = [\n{biases}]\n\n[weights]\n{weights}"
    )
