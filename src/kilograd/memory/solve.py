"""Offsets by constraint programming, for buffers that first fit leaves above the bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kilograd.liveness import Buffer, clusters
from kilograd.rowwise import ALIGNMENT

#: Limit of each of two searches. The solver counts its work, which is the same on every machine;
#: an item takes some tens of seconds.
_WORK = 0.03


def solve(
    buffers: Sequence[Buffer], heuristic: Mapping[str, int], bound: int
) -> dict[str, int] | None:
    """Offsets with a lower peak than the heuristic's; None where none are found.

    First a placement that just meets the bound is looked for: with no peak to minimize, that is
    mostly found at once. Then the lowest peak, starting from the heuristic.
    """
    peak = max(heuristic[b.name] + b.size for b in buffers)
    exact = _solve(buffers, bound)
    if exact is None and peak - ALIGNMENT > bound:
        return _solve(buffers, peak - ALIGNMENT, bound, heuristic)
    return exact


def _solve(
    buffers: Sequence[Buffer],
    limit: int,
    bound: int | None = None,
    hints: Mapping[str, int] | None = None,
) -> dict[str, int] | None:
    """Offsets under a limit; of the lowest peak, with a bound to minimize down to."""
    from ortools.sat.python import cp_model  # noqa: PLC0415 - slow to import, seldom needed

    model = cp_model.CpModel()
    top = limit // ALIGNMENT
    starts: dict[str, cp_model.IntVar] = {}
    for cluster in clusters(buffers):
        size = max(b.size for b in cluster) // ALIGNMENT
        start = model.new_int_var(0, top - size, cluster[0].name)
        starts.update(dict.fromkeys((b.name for b in cluster), start))
    times = [model.new_fixed_size_interval_var(b.first, b.last - b.first + 1, "") for b in buffers]
    places = [
        model.new_fixed_size_interval_var(starts[b.name], b.size // ALIGNMENT, "") for b in buffers
    ]
    model.add_no_overlap_2d(times, places)
    if bound is not None:
        peak = model.new_int_var(bound // ALIGNMENT, top, "peak")
        for buffer in buffers:
            model.add(starts[buffer.name] + buffer.size // ALIGNMENT <= peak)
        model.minimize(peak)
    if hints is not None:
        for cluster in clusters(buffers):
            highest = top - max(b.size for b in cluster) // ALIGNMENT
            hint = hints[cluster[0].name] // ALIGNMENT
            model.add_hint(starts[cluster[0].name], min(hint, highest))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = _WORK
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return {b.name: solver.value(starts[b.name]) * ALIGNMENT for b in buffers}
