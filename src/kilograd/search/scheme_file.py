"""A found scheme as a TOML file that says where it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kilograd.scheme import Scheme
from kilograd.search.calibration import Found
from kilograd.search.contributions import Contributions
from kilograd.search.tasks import Task
from kilograd.version import VERSION


def scheme_text(
    found: Found, model: str, contributions: Contributions, tasks: Sequence[Task], kind: str
) -> str:
    """The text of a scheme file, with its provenance in comments.

    Args:
        found: the scheme and what it measured.
        model: the network's name.
        contributions: that it was chosen by.
        tasks: that these come from.
        kind: of input, ``held`` or ``streamed``.
    """
    measured, budgets = found.measurement, found.budgets
    limits = [f"{budgets.sram:,} bytes of SRAM"]
    if budgets.instructions is not None:
        limits.append(f"{budgets.instructions:,} instructions a training step")
    if budgets.flash is not None:
        limits.append(f"{budgets.flash:,} bytes of flash")
    share = 100 * found.solution.gain / found.solution.bound if found.solution.bound else 100
    notes = [
        f"Found by kilograd {VERSION} for {model}, samples {kind}, on {measured.target}.",
        f"Contributions: {contributions.method} ({contributions.unit}), of the training samples of",
        *(f"  {task.name}, SHA-256 {task.digest[:16]}" for task in tasks),
        f"Budget: {', '.join(limits)}.",
        f"Measured: {measured.sram_total_bytes:,} bytes of SRAM,",
        f"  {measured.instructions_train_step:,} instructions a training step, emulated,",
        f"  {measured.flash_bytes:,} bytes of flash.",
        f"Its contributions sum to {share:.2f}% of the most that any scheme within the budget has.",
    ]
    return "".join(f"# {note}\n" for note in notes) + _table(found.scheme, model)


def _table(scheme: Scheme, model: str) -> str:
    biases = "".join(f"    {json.dumps(name)},\n" for name in scheme.biases)
    weights = "".join(f"{json.dumps(name)} = {share}\n" for name, share in scheme.weights.items())
    return (
        f"name = {json.dumps(scheme.name)}\nmodel = {json.dumps(model)}\n\n"
        f"[bias]\nlayers = [\n{biases}]\n\n[weights]\n{weights}"
    )
