"""What an operator reads and makes, by name.

An operator declares its operands once; types, arrays and names of values are then bound to those
names, so that no one has to remember what stands at which index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from numpy.typing import NDArray

Array = NDArray[Any]
Item = TypeVar("Item")


def _always(attributes: Any) -> bool:
    del attributes
    return True


@dataclass(frozen=True)
class Operand:
    """One input of an operator.

    Attributes:
        name: of the operand.
        is_present: whether a node with these attributes has it.
    """

    name: str
    is_present: Callable[[Any], bool] = _always

    def __post_init__(self) -> None:
        if hasattr(Operands, self.name):
            msg = f"an operand cannot be called {self.name}"
            raise ValueError(msg)


def required(*names: str) -> tuple[Operand, ...]:
    """Operands that every node of an operator has."""
    return tuple(Operand(name) for name in names)


class Operands(Sequence[Item]):
    """Items of a node's inputs, such as types, arrays or names: by name and by position.

    ``operands.weight`` is the weight's item; ``operands.get("delta")`` is None without a delta.
    """

    __slots__ = ("_items", "_names")

    def __init__(self, names: Sequence[str], items: Sequence[Item]) -> None:
        self._names = tuple(names)
        self._items = tuple(items)

    def __getattr__(self, name: str) -> Item:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._names:
            msg = f"there is no operand {name}; there are {', '.join(self._names)}"
            raise AttributeError(msg)
        return self._items[self._names.index(name)]

    def get(self, name: str) -> Item | None:
        """The item of an operand; None where the node does not have it."""
        return self._items[self._names.index(name)] if name in self._names else None

    def names(self) -> tuple[str, ...]:
        """Names of the operands that are there, in order."""
        return self._names

    def without(self, *names: str) -> Operands[Item]:
        """The others, in order."""
        kept = [i for i, name in enumerate(self._names) if name not in names]
        return Operands([self._names[i] for i in kept], [self._items[i] for i in kept])

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)


def bind(
    operator: str, operands: Sequence[Operand], attributes: Any, items: Sequence[Item]
) -> Operands[Item]:
    """Items under the names of the operands that a node with these attributes has.

    Raises:
        ValueError: there are more or fewer items than operands.
    """
    names = [operand.name for operand in operands if operand.is_present(attributes)]
    if len(names) != len(items):
        msg = f"{operator} reads {', '.join(names)}; {len(items)} inputs do not fit that"
        raise ValueError(msg)
    return Operands(names, items)
