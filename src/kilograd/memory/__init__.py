"""Where every byte of the arena and of the state lives."""

from kilograd.memory.place import lower_bound, place
from kilograd.memory.plan import MemoryPlan, plan_memory
from kilograd.memory.state_layout import StateHeader

__all__ = ["MemoryPlan", "StateHeader", "lower_bound", "place", "plan_memory"]
