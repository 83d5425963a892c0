"""Emulated boards that tests run on: of each kind of processor, the target with most memory.

They follow from the targets that come with kilograd, so a new core is tested without being listed.
"""

from kilograd.targets import get_target, target_names

_LARGEST = {
    (target.architecture, target.core, target.features): target
    for target in sorted(map(get_target, target_names()), key=lambda target: target.ram_bytes)
    if target.memory
}
BOARDS = [
    *(f"unicorn {target.name}" for target in _LARGEST.values()),
    *(f"qemu {target.name}" for target in _LARGEST.values() if target.qemu_machine),
]
