"""Emulated boards that tests run on: of each kind of processor, the target with most memory.

They follow from the targets that come with kilograd, so a new core is tested without being listed.
"""

from kilograd.arch import architecture_of
from kilograd.targets import get_target, target_names


def _model(target):
    """What Unicorn runs it as, which is the same for some."""
    architecture = architecture_of(target)
    return architecture.emulation(target).core, architecture.gcc_flags(target)


_LARGEST = {
    (target.architecture, target.core, target.features): target
    for target in sorted(map(get_target, target_names()), key=lambda target: target.ram_bytes)
    if target.memory
}
_MODELS = {_model(target): target for target in _LARGEST.values()}
BOARDS = [
    *(f"unicorn {target.name}" for target in _MODELS.values()),
    *(f"qemu {target.name}" for target in _LARGEST.values() if target.qemu_machine),
]

#: Those that every run of the tests has: plain kernels and DSP kernels, both emulators.
SAMPLED_BOARDS = ("unicorn cortex-m7", "unicorn riscv32", "qemu cortex-m7")
