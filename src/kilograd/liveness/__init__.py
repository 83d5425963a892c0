"""How many bytes an order of execution holds live, and the fewest that any order can."""

from kilograd.liveness.bound import order_bound
from kilograd.liveness.search import TRIES, improve, lower_bound
from kilograd.liveness.units import (
    Problem,
    in_place_bytes,
    problem_of,
    reusable,
    row_plans,
)

__all__ = [
    "TRIES",
    "Problem",
    "improve",
    "in_place_bytes",
    "lower_bound",
    "order_bound",
    "problem_of",
    "reusable",
    "row_plans",
]
