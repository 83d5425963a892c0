"""Quantities as texts, axis ticks, and texts that fit their place."""

import itertools

import pytest

from kilograd.report.svg import byte_ticks, decimal_ticks, shortened, spread, text_width
from kilograd.report.units import kibibytes, millions


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (262_144, "256 KiB")],
)
def test_kibibytes(count, text):
    assert kibibytes(count) == text.replace(" ", "\xa0")


def test_millions():
    counts = [999, 1000, 92_200_000, 2_500_000_000]
    assert [millions(count).replace("\xa0", " ") for count in counts] == [
        "999",
        "1.0 k",
        "92.2 M",
        "2.5 G",
    ]


def test_ticks():
    assert byte_ticks(163_872) == [0, 65_536, 131_072]
    assert byte_ticks(0) == [0]
    assert decimal_ticks(7.2) == [0, 2, 4, 6]
    assert decimal_ticks(0) == [0]
    assert decimal_ticks(1200) == [0, 500, 1000]


def test_spread_keeps_order_gap_and_bounds():
    moved = spread([10, 11, 12, 80, 99], 20, 0, 100)
    assert moved == sorted(moved)
    assert all(b - a >= 20 - 1e-9 for a, b in itertools.pairwise(moved))
    assert moved[0] >= 0
    assert moved[-1] <= 100
    assert spread([], 20, 0, 100) == []


def test_shortened():
    assert shortened("blocks.12.pointwise1", 400, 12) == "blocks.12.pointwise1"
    short = shortened("blocks.12.pointwise1", 80, 12)
    assert text_width(short, 12) <= 80
    assert short.startswith("block")
    assert short.endswith("e1")
