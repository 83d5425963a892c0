"""Reads a recording of motion from a CSV file: a header line, then a sample a line."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from kilograd.data.broken import UnreadableError
from kilograd.data.motion_maps import MAX_RATE, MIN_RATE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_BYTES = 200_000_000

_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_TIMES = {
    **dict.fromkeys(("time", "t", "timestamp", "seconds", "time_s", "timestamp_s"), 1.0),
    **dict.fromkeys(("ms", "millis", "milliseconds", "time_ms", "timestamp_ms"), 1e-3),
    **dict.fromkeys(("us", "micros", "microseconds", "time_us", "timestamp_us"), 1e-6),
    **dict.fromkeys(("ns", "nanoseconds", "time_ns", "timestamp_ns"), 1e-9),
}
_RATE = "rate"
#: A sample may come so many times later than most do.
_LONGEST_GAP = 3
_DELIMITERS = ",;\t"
_HINT = "the first line names the columns, such as time,acc_x,acc_y,acc_z; numbers follow"


@dataclass(frozen=True, eq=False)
class MotionRecording:
    """One recording.

    Attributes:
        values: float64 [samples, channels], in the order that was asked for.
        rate: samples a second; None where the file does not say.
    """

    values: NDArray[np.float64]
    rate: float | None


def read_motion_csv(path: Path, channels: Sequence[str]) -> MotionRecording:
    """Reads the columns of some channels.

    Columns are separated by commas, semicolons or tabs, and found by their names, whatever the
    case; a unit in brackets behind a name is passed over. ``time`` in seconds, or ``time_ms``,
    ``time_us`` or ``time_ns``, tells the rate, or else ``rate`` in Hz, the same in each line.

    Raises:
        UnreadableError: names the line and the column that is wrong.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            _fail(path, f"the file has over {MAX_BYTES // 1_000_000} MB", "too large")
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = max(_DELIMITERS, key=first.count)
            file.seek(0)
            rows = list(csv.reader(file, delimiter=delimiter))
    except (OSError, UnicodeError, csv.Error) as error:
        what = f"this is no CSV file that can be read: {error}"
        raise UnreadableError(what, reason="no CSV file", where=str(path), hint=_HINT) from error
    table = _Table(path, rows)
    values = np.stack([table.column(table.place(name)) for name in channels], axis=1)
    return MotionRecording(values, table.rate())


class _Table:
    """The lines of a file, with their columns by name."""

    def __init__(self, path: Path, rows: list[list[str]]) -> None:
        self._path = path
        lines = [(line, row) for line, row in enumerate(rows, 1) if any(map(str.strip, row))]
        if not lines:
            _fail(path, "the file is empty", "is empty")
        names = [_name_and_unit(cell) for cell in lines[0][1]]
        if all(_is_number(name) for name, _ in names):
            _fail(path, "the file has no header line", "no header line")
        self._units = [unit for _, unit in names]
        self._at = {name: place for place, (name, _) in reversed(list(enumerate(names)))}
        self._lines = lines[1:]
        if not self._lines:
            _fail(path, "the file has a header line and no samples", "no samples")

    def place(self, name: str) -> int:
        """Of the column of a channel."""
        place = self._at.get(name.lower())
        if place is None:
            _fail(
                self._path,
                f"the file has no column {name!r}, which the network reads",
                f"no column {name}",
                hint=f"it has {', '.join(self._at)}",
            )
        return place

    def column(self, place: int) -> NDArray[np.float64]:
        """The numbers of a column."""
        values = np.empty(len(self._lines))
        for index, (line, row) in enumerate(self._lines):
            cell = row[place].strip() if place < len(row) else ""
            values[index] = float(cell) if _is_number(cell) else math.nan
            if not math.isfinite(values[index]):
                name = next(name for name, at in self._at.items() if at == place)
                shown = repr(cell) if cell else "nothing"
                _fail(
                    self._path,
                    f"line {line} has {shown} where a number of the column {name!r} should be",
                    f"line {line}: no number",
                    hint="write numbers with a decimal point, and separate columns by commas",
                )
        return values

    def rate(self) -> float | None:
        """Samples a second, by the times or by the column rate; None where there is neither."""
        for name, place in self._at.items():
            if name in _TIMES:
                seconds = _UNITS.get(self._units[place], _TIMES[name])
                return self._rate_of_times(name, self.column(place) * seconds)
        if _RATE not in self._at:
            return None
        rates = self.column(self._at[_RATE])
        if (rates != rates[0]).any():
            _fail(self._path, "the column 'rate' is not the same in each line", "several rates")
        return self._checked(float(rates[0]), "rate", "give it in Hz")

    def _rate_of_times(self, name: str, times: NDArray[np.float64]) -> float | None:
        steps = np.diff(times)
        if not steps.size:
            return None
        back = np.flatnonzero(steps <= 0)
        if back.size:
            line = self._lines[int(back[0]) + 1][0]
            what = f"the column {name!r} does not rise at line {line}"
            _fail(self._path, what, f"line {line}: time does not rise")
        gap = int(np.argmax(steps))
        if steps[gap] > _LONGEST_GAP * np.median(steps):
            line = self._lines[gap + 1][0]
            what = f"the column {name!r} has a gap of {steps[gap]:.3g} s before line {line}"
            _fail(
                self._path,
                what,
                f"line {line}: gap of {steps[gap]:.3g} s",
                hint="cut the recording there into two files",
            )
        rate = len(steps) / float(times[-1] - times[0])
        hint = "name it time (seconds), time_ms, time_us or time_ns, by what it counts"
        return self._checked(rate, name, hint)

    def _checked(self, rate: float, name: str, hint: str) -> float:
        if not MIN_RATE <= rate <= MAX_RATE:
            _fail(
                self._path,
                f"by the column {name!r} the rate is {rate:.3g} Hz, outside {MIN_RATE} to "
                f"{MAX_RATE:,} Hz",
                f"rate of {rate:.3g} Hz",
                hint=hint,
            )
        return rate


def _name_and_unit(cell: str) -> tuple[str, str]:
    """A column's name in lower case, and the unit behind it in brackets."""
    match = re.fullmatch(r"(.*?)\s*[\[(]([^\])]*)[\])]\s*", cell.strip())
    name, unit = (cell.strip(), "") if match is None else (match[1], match[2])
    return name.lower(), unit.strip().lower()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _fail(path: Path, what: str, reason: str, *, hint: str = _HINT) -> NoReturn:
    raise UnreadableError(what, reason=reason, where=str(path), hint=hint)
