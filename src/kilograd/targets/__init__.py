"""The machines kilograd writes C for, one file each, and the C that starts them."""

from kilograd.errors import ToolchainError
from kilograd.targets.cortex_m0plus import CORTEX_M0PLUS
from kilograd.targets.cortex_m4 import CORTEX_M4
from kilograd.targets.cortex_m7 import CORTEX_M7
from kilograd.targets.host import HOST
from kilograd.targets.target import Region, Target

TARGETS: dict[str, Target] = {
    target.name: target for target in (HOST, CORTEX_M7, CORTEX_M4, CORTEX_M0PLUS)
}


def get_target(name: str) -> Target:
    """Finds a target by its name.

    Raises:
        ToolchainError: there is no target of that name; the hint lists them.
    """
    if name not in TARGETS:
        raise ToolchainError(f"unknown target {name!r}", hint=f"choose one of {', '.join(TARGETS)}")
    return TARGETS[name]


__all__ = ["TARGETS", "Region", "Target", "get_target"]
