"""How a node is run on a device: its kernel, and which variants of it there are.

A variant is one implementation, in one C file: ``kernels/kg_<kernel>_<variant>.c`` in the
operator's room defines ``kg_<kernel>_<variant>``. It says what it needs of a target; the best that
the target has is chosen when a model is compiled, and only that is emitted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kilograd.errors import KilogradError


@dataclass(frozen=True)
class Variant:
    """A way to implement kernels.

    Attributes:
        name: ends the names of its files and functions.
        needs: features that a target must have.
    """

    name: str
    needs: frozenset[str] = frozenset()

    def runs_on(self, features: Collection[str]) -> bool:
        """Whether a target with these features can run it."""
        return self.needs <= set(features)


#: C11 for any processor of 32 bits or more.
PLAIN = Variant("plain")
#: Armv7E-M DSP instructions, on unaligned words.
DSP = Variant("dsp", frozenset({"dsp", "unaligned"}))
#: Vectors of a PC's compiler, on a stack as large as a PC's.
HOST = Variant("host", frozenset({"vectors"}))

#: All of them; of those that a target can run, the last is the best.
VARIANTS = (PLAIN, DSP, HOST)


@dataclass(frozen=True)
class Input:
    """A kernel argument: an operand of the node; NULL where the node does not have it."""

    name: str


@dataclass(frozen=True)
class Output:
    """A kernel argument: a result of the node."""

    name: str


@dataclass(frozen=True)
class Scratch:
    """A kernel argument: the node's scratch memory."""


@dataclass(frozen=True)
class Control:
    """A kernel argument: seed, step, label and learning rate of the running step."""


Argument = Input | Output | Scratch | Control

#: Members of a kernel's struct by name: integers, arrays that stay in flash, or None for an array
#: that a node does without.
Fields = Mapping[str, int | NDArray[Any] | None]


@dataclass(frozen=True)
class Use:
    """What one variant takes to run one node.

    Attributes:
        scratch_bytes: working memory that is free again when the call returns.
        fields: members of the struct that differ between variants.
        falls_back: whether it calls the plain variant where it meets something unusual.
    """

    scratch_bytes: int = 0
    fields: Fields = field(default_factory=dict[str, int | NDArray[Any] | None])
    falls_back: bool = False


@dataclass(frozen=True)
class KernelCall:
    """A node's kernel in one variant: ``function(&parameters, arguments…)``.

    Attributes:
        kernel: what is computed; the parameters are a ``kg_<kernel>_parameters``.
        variant: of the kernel.
        fields: the struct's members.
        arguments: in the function's order.
        scratch_bytes: a scratch argument is NULL where there is none.
        falls_back: whether the plain variant is called, too.
    """

    kernel: str
    variant: Variant
    fields: Fields
    arguments: tuple[Argument, ...]
    scratch_bytes: int
    falls_back: bool

    @property
    def function(self) -> str:
        """The C function."""
        return f"kg_{self.kernel}_{self.variant.name}"

    @property
    def parameters(self) -> str:
        """The type of the struct that is its first argument."""
        return f"kg_{self.kernel}_parameters"

    def files(self, room: Path) -> tuple[Path, ...]:
        """The C files that define it, in the room of its operator.

        Raises:
            KilogradError: one of them is missing.
        """
        variants = (self.variant, PLAIN) if self.falls_back else (self.variant,)
        return tuple(variant_file(room, self.kernel, variant) for variant in variants)


@dataclass(frozen=True)
class Kernel:
    """How devices run a node.

    Attributes:
        name: of the kernel.
        fields: members of its struct that all variants share.
        arguments: tensors, control and scratch, in the function's order.
        uses: of each variant that can run the node, what it takes.
    """

    name: str
    fields: Fields
    arguments: tuple[Argument, ...]
    uses: Mapping[Variant, Use] = field(default_factory=lambda: {PLAIN: Use()})

    def best(self, features: Collection[str]) -> KernelCall:
        """The best variant that a target with these features can run."""
        variant = next(v for v in reversed(VARIANTS) if v in self.uses and v.runs_on(features))
        use = self.uses[variant]
        fields = {**self.fields, **use.fields}
        return KernelCall(
            self.name, variant, fields, self.arguments, use.scratch_bytes, use.falls_back
        )


def variant_file(room: Path, kernel: str, variant: Variant) -> Path:
    """The C file of one variant.

    Raises:
        KilogradError: there is no such file.
    """
    path = room / "kernels" / f"kg_{kernel}_{variant.name}.c"
    if not path.is_file():
        msg = (
            f"kernel {kernel} lists the variant {variant.name}, but there is no file {path.name} "
            f"in {path.parent}"
        )
        raise KilogradError(msg)
    return path


@cache
def c_constant(header: Path, name: str) -> int:
    """A number that a header defines, for Python: it is written once, in the C.

    Raises:
        KilogradError: the header does not define it.
    """
    found = re.search(rf"^#define {name} (\d+)$", header.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        msg = f"{header.name} does not define {name}"
        raise KilogradError(msg)
    return int(found[1])
