"""Graph to graph transformations; each yields a new, verified graph."""

from kilograd.passes.base import Pass, run_passes
from kilograd.passes.differentiate import Differentiate
from kilograd.passes.for_target import ForTarget
from kilograd.passes.fuse import Fuse
from kilograd.passes.order import Order
from kilograd.passes.prune import Prune
from kilograd.passes.recompute import DEFAULT_SHARE, Recompute, recomputed_macs
from kilograd.passes.reorder import Reorder
from kilograd.passes.select import Select
from kilograd.passes.verify import verify

__all__ = [
    "DEFAULT_SHARE",
    "Differentiate",
    "ForTarget",
    "Fuse",
    "Order",
    "Pass",
    "Prune",
    "Recompute",
    "Reorder",
    "Select",
    "recomputed_macs",
    "run_passes",
    "verify",
]
