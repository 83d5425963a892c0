"""How many bytes an order of execution holds live, and the fewest that any order can."""

from kilograd.liveness.bound import order_bound
from kilograd.liveness.lifetimes import Buffer, arena_buffers, clusters, live_ranges, scratch_buffer
from kilograd.liveness.problem import (
    ScheduleProblem,
    in_place_bytes,
    reusable,
    row_plans,
    schedule_problem,
)
from kilograd.liveness.search import TRIES, improve, lower_bound

__all__ = [
    "TRIES",
    "Buffer",
    "ScheduleProblem",
    "arena_buffers",
    "clusters",
    "improve",
    "in_place_bytes",
    "live_ranges",
    "lower_bound",
    "order_bound",
    "reusable",
    "row_plans",
    "schedule_problem",
    "scratch_buffer",
]
