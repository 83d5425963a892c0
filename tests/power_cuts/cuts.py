"""What is tried: power fails, and fails again during the next save; and what must hold then."""

from collections import Counter
from dataclasses import dataclass, field

from kilograd.memory.state_layout import StateHeader

from .boards import DAMAGED, EMPTY, FLASH, OK

TORN_READS, TORN_FAILS, TORN_VARIES = range(3)
#: Steps that are learned behind those that were saved before power fails first.
AHEAD = 3


class LostStateError(AssertionError):
    """What was loaded, or what came of it, is not what it has to be."""


@dataclass
class History:
    """What may be loaded: the last save that ended, or one that was cut off since.

    Attributes:
        states: of an uninterrupted run, by its steps; that of 0 is the initial one.
        ended: steps of the last save that ended; 0 for none.
        cut_off: steps of saves that were cut off since.
    """

    states: list[bytes]
    ended: int
    is_stable: bool
    cut_off: set[int] = field(default_factory=set)

    def check_loaded(self, outcome):
        steps = StateHeader.unpack(outcome.loaded).steps
        if outcome.load_status == OK:
            may = {self.ended, *self.cut_off} - {0}
            if steps not in may:
                raise LostStateError(f"loaded the save of step {steps}, not of {sorted(may)}")
        elif self.ended or outcome.load_status not in {EMPTY, DAMAGED, FLASH}:
            raise LostStateError(f"status {outcome.load_status}, with a save of step {self.ended}")
        if outcome.loaded != self.states[steps]:
            raise LostStateError(f"the state of step {steps} is not that of an uninterrupted run")
        if self.is_stable:  # what reads well once does so from now on
            self.ended = steps
            self.cut_off.clear()

    def was_cut_off(self, outcome):
        steps = StateHeader.unpack(outcome.loaded).steps
        return outcome.load_status == OK and steps in self.cut_off

    def note_saves(self, outcome):
        if outcome.save_status != OK and self.is_stable:
            raise LostStateError(f"a save was refused: {outcome.save_status}")
        if outcome.saved:
            self.ended = outcome.saved
            self.cut_off.clear()
        if outcome.saving > outcome.saved:
            self.cut_off.add(outcome.saving)


def prepare(board, geometry, before, rng):
    """A flash with `before` saves, to which `trial` comes back; what a save after them needs.

    Returns:
        Operations of a save, and of the board's instructions up to its end (None if it tells none).
    """
    board.flash.set_up(geometry)
    if before:
        board.boot(before, rng)
    board.flash.keep()
    board.boot(before + 1, rng)
    return board.flash.operations(), getattr(board, "instructions", None)


def trial(board, states, before, cuts, rng, counts: Counter):
    """Lets power fail once for each of `cuts`, the arguments of `boot`; then training ends.

    Raises:
        LostStateError: what was loaded had not been saved whole, or training went on otherwise.
    """
    flash = board.flash
    flash.put_back()
    history = History(states, before, flash.geometry.torn != TORN_VARIES)
    for cut in (*cuts, {}):
        outcome = board.boot(before + AHEAD, rng, **cut)
        if outcome.loaded is not None:
            counts["loads"] += 1
            counts["of a save that was cut off"] += history.was_cut_off(outcome)
            history.check_loaded(outcome)
        history.note_saves(outcome)
        if not flash.is_in_order():
            raise LostStateError("a granule was programmed twice, or a record before its body")
        if outcome.last is not None:
            break
        counts[f"cuts in {'operations' if 'operation' in cut else 'instructions'}"] += 1
    if outcome.last != states[before + AHEAD]:
        raise LostStateError("training went on to another end")
    counts["runs to the end"] += 1


def every_operation(board, states, geometry, before, rng, counts, *, stride=1):
    """Power fails in each operation of a save, or in each `stride`-th; and again in the next."""
    operations, _ = prepare(board, geometry, before, rng)
    first = rng.randrange(stride)
    edge = 3 if stride > 1 else 0  # the record and the first pages are always among them
    chosen = {*range(first, operations, stride), *range(edge)}
    chosen |= {operations - 1 - i for i in range(edge)}
    for operation in sorted(n for n in chosen if n >= 0):
        again = rng.randrange(operations)
        cuts = [{"operation": operation}, {"operation": again}]
        trial(board, states, before, cuts, rng, counts)


def random_instructions(board, states, geometry, before, rng, counts, *, trials):
    """Power fails between any two instructions of loading, training and saving; and again."""
    _, instructions = prepare(board, geometry, before, rng)
    for _ in range(trials):
        cuts = [{"instruction": rng.randrange(instructions)} for _ in range(2)]
        trial(board, states, before, cuts, rng, counts)
