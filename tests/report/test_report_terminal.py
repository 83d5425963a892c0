"""The memory map for the terminal."""

import io

import pytest
from report_cases import BUDGET, measured
from rich.console import Console

from kilograd.report import terminal_memory_map


def shown(program, measurement, budget, width, *, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, color_system=None)
    console.print(terminal_memory_map(program, measurement, budget))
    stream.flush()
    return stream.buffer.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120, 200])
def test_terminal_fits(program, width):
    lines = shown(program, measured(program), BUDGET, width)
    assert len(lines) <= 12
    assert max(map(len, lines)) <= width
    total = measured(program).sram_total_bytes
    assert f"SRAM {total:,}" in lines[0]
    names = [line.split("  ")[0] for line in lines[1:6]]
    assert names == ["arena", "trainable", "data + bss", "stack", "free"]
    assert "peak" in " ".join(lines[6:])


def test_terminal_bars_fill_the_width(program):
    lines = shown(program, measured(program), BUDGET, 80)
    assert len(lines[5]) == 80
    arena, free = lines[1], lines[5]
    assert "█" in arena
    assert free.endswith("█")


def test_terminal_over_budget(program):
    needed = measured(program).sram_total_bytes
    lines = shown(program, measured(program), needed - 10, 80)
    assert lines[5].split()[:2] == ["over", "10"]


def test_terminal_without_budget_or_measurement(program):
    lines = shown(program, None, None, 80)
    assert [line.split()[0] for line in lines[:4]] == ["SRAM", "arena", "trainable", "the"]


def test_terminal_in_ascii(program):
    lines = shown(program, measured(program), BUDGET, 40, encoding="ascii")
    assert "#" in lines[1]
