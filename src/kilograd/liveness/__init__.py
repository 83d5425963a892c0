"""How many bytes an order of execution holds live, and the fewest that any order can."""

from kilograd.liveness.bound import order_bound
from kilograd.liveness.search import TRIES, improve, lower_bound
from kilograd.liveness.units import ALIGNMENT, Problem, aligned, problem_of, row_plans

__all__ = [
    "ALIGNMENT",
    "TRIES",
    "Problem",
    "aligned",
    "improve",
    "lower_bound",
    "order_bound",
    "problem_of",
    "row_plans",
]
