"""Draw the SRAM map for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from kilograd.measuring.firmware import describe_peak
from kilograd.report.analysis import SramPart, sram_parts
from kilograd.report.units import percent

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from kilograd.compiler import Program
    from kilograd.measuring.firmware import Measurement

_STYLES = {"arena": "blue", "trainable": "yellow", "data": "magenta", "stack": "cyan"}

#: Characters for the name, the bytes and the percentage.
_NAME, _BYTES, _SHARE = 10, 11, 7
_LEAST_BAR = 8

_PEAK_LINES = 5
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def terminal_memory_map(
    program: Program, measurement: Measurement | None, budget: int | None
) -> RenderableType:
    """Draw one bar for each part of the SRAM, and name the peak, in at most 12 lines.

    Args:
        program: The compiled program.
        measurement: The measured firmware; without one, only the planned parts are shown.
        budget: Bytes of SRAM; without a budget, percentages are shares of what is used.
    """
    parts = sram_parts(program, measurement)
    return _SramMap(parts, budget, describe_peak(program))


@dataclass(frozen=True)
class _SramMap:
    """The map, which is drawn once the console's width is known.

    Attributes:
        parts: Parts of the SRAM, from address 0 up.
        budget: Bytes of SRAM, or None.
        peak: The description of the peak.
    """

    parts: tuple[SramPart, ...]
    budget: int | None
    peak: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        used = sum(part.size for part in self.parts)
        budget = self.budget or used
        whole = max(used, budget, 1)
        yield self._headline(used)
        room = max(_LEAST_BAR, options.max_width - _NAME - _BYTES - _SHARE - 2)
        start = 0
        for part in self.parts:
            style = _STYLES.get(part.key, "")
            end = start + part.size
            bar = _bar(start / whole, end / whole, room, ascii_only=options.ascii_only)
            yield _row(part.name, part.size, part.size / max(1, budget), Text(bar, style))
            start = end
        if self.budget is not None:
            over = used > budget
            bar = _bar(min(used, budget) / whole, 1.0, room, ascii_only=options.ascii_only)
            yield _row(
                "over" if over else "free",
                abs(budget - used),
                abs(budget - used) / max(1, budget),
                Text(bar, "bold red" if over else "dim green"),
            )
        lines = Text(self.peak, "dim").wrap(console, options.max_width)
        if len(lines) > _PEAK_LINES:
            lines = lines[:_PEAK_LINES]
            lines[-1].truncate(max(1, options.max_width - 1), overflow="crop")
            lines[-1].append("..." if options.ascii_only else "…")
        yield from lines

    def _headline(self, used: int) -> Text:
        text = Text.assemble("SRAM ", f"{used:,}", style="bold", no_wrap=True, overflow="ellipsis")
        if self.budget is not None:
            if used > self.budget:
                text.stylize("red")
            text.append(f" of {self.budget:,}", "not bold")
        text.append(" bytes", "not bold")
        if self.budget:
            text.append(f" ({percent(used / self.budget)})", "not bold")
        return text


def _row(name: str, size: int, share: float, bar: Text) -> Text:
    text = Text(no_wrap=True, overflow="crop")
    text.append(f"{name:<{_NAME}}{size:>{_BYTES},}{percent(share):>{_SHARE}}  ")
    return text.append_text(bar)


def _bar(begin: float, end: float, width: int, *, ascii_only: bool) -> str:
    """Draw a bar from ``begin`` to ``end``, shares of the width; it is never empty."""
    first = min(int(begin * width), width - 1)
    if ascii_only:
        return " " * first + "#" * max(1, round(end * width) - first)
    # A bar cannot start between two columns, so its length shows the size, not its end. Only the
    # last bar ends at the right edge.
    eighths = (width - first) * 8 if end >= 1 else round((end - begin) * width * 8)
    full, part = divmod(max(1 if end > begin else 0, eighths), 8)
    return " " * first + "█" * full + (_EIGHTHS[part] if part else "")
