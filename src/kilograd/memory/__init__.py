"""Where every byte of the arena and of the state lives."""

from kilograd.memory.lifetimes import Buffer, arena_buffers, scratch_name
from kilograd.memory.place import lower_bound, place
from kilograd.memory.plan import MemoryPlan, plan_memory

__all__ = [
    "Buffer",
    "MemoryPlan",
    "arena_buffers",
    "lower_bound",
    "place",
    "plan_memory",
    "scratch_name",
]
