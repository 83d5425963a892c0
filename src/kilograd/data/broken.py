"""Samples that cannot be read: every one is tried, and all that fail are told of at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

_NAMED = 10


class UnreadableError(DataError):
    """One sample that cannot be read.

    Args:
        what: one sentence that says what is wrong.
        reason: the same in a few words, for lists.
        where: the file, or the pack and the sample.
        hint: what would help.
    """

    def __init__(
        self, what: str, *, reason: str, where: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.reason = reason


@dataclass(frozen=True)
class Broken:
    """A sample that cannot be read.

    Attributes:
        position: among the samples that were asked for.
        error: what is wrong with it.
    """

    position: int
    error: UnreadableError


class BrokenSamplesError(DataError):
    """Samples that cannot be read; the text is that of the one, or a list of them.

    Args:
        noun: what they are, in the plural.
        errors: of each; at least one.
        total: how many samples were tried.
        root: the folder or the pack that all of them are in; None to name each in full.
        broken: where among the samples that were asked for they are; empty where some of them were
            never samples.
    """

    def __init__(
        self,
        noun: str,
        errors: Sequence[UnreadableError],
        total: int,
        root: Path | None = None,
        broken: Sequence[Broken] = (),
    ) -> None:
        self.broken = tuple(broken)
        first = errors[0]
        if len(errors) == 1:
            super().__init__(first.what, where=first.where, hint=first.hint)
            return
        named = named_with_reasons([(name_under(root, e.where), e.reason) for e in errors])
        super().__init__(
            f"{len(errors)} of {total} {noun} cannot be read: {named}",
            where=None if root is None else str(root),
            hint="replace them or take them out",
        )


def named_with_reasons(skipped: Sequence[tuple[str, str]]) -> str:
    """Names, each with its reason, and how many more there are: ``a.png (is empty), 3 more``."""
    named = [f"{name} ({reason})" for name, reason in skipped[:_NAMED]]
    rest = len(skipped) - len(named)
    return ", ".join([*named, f"and {rest} more"] if rest else named)


def name_under(root: Path | None, where: str | None) -> str:
    """Where a sample is, as seen from a folder or a pack that it is in."""
    text = where or ""
    if root is None:
        return text
    return text.removeprefix(str(root)).lstrip("/\\: ") or text


def read_each(
    noun: str,
    count: int,
    read: Callable[[int], None],
    run: Callable[[Callable[[int], None], range], Iterable[None]] = map,
) -> None:
    """Reads samples 0 to ``count`` − 1, all of them, whatever becomes of any.

    Args:
        noun: what they are, in the plural.
        count: of the samples.
        read: reads one, and keeps it.
        run: calls it for each, as ``map`` does.

    Raises:
        BrokenSamplesError: at least one raised an `UnreadableError`.
    """
    broken: list[Broken] = []

    def attempt(position: int) -> None:
        try:
            read(position)
        except UnreadableError as error:
            broken.append(Broken(position, error))

    for _ in run(attempt, range(count)):
        pass
    if broken:
        broken.sort(key=lambda one: one.position)
        raise BrokenSamplesError(noun, [one.error for one in broken], count, broken=broken)
