"""How the nodes of a forward pass are split into groups of rows."""

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from kilograd.passes.fuse import Part, cheapest_split, lowest_peak, lowest_split


@st.composite
def all_parts(draw):
    """For up to seven nodes, the parts that begin at each; alone, a node costs nothing.

    Some nodes cannot run together with all that follow.
    """
    count = draw(st.integers(1, 7))
    number = st.integers(0, 9)
    longest = [draw(st.integers(1, count - begin)) for begin in range(count)]
    return [
        [Part(draw(number), draw(number) if length else 0) for length in range(most)]
        for most in longest
    ]


def splits(parts):
    """Every way: the peak, the cost, and where its parts begin."""
    count = len(parts)
    for chosen in range(count):
        for inner in combinations(range(1, count), chosen):
            edges = (0, *inner, count)
            if any(e - b > len(parts[b]) for b, e in pairwise(edges)):
                continue
            way = [parts[b][e - b - 1] for b, e in pairwise(edges)]
            yield max(p.peak for p in way), sum(p.cost for p in way), edges[:-1]


def taken(parts, begins):
    """The way that these begins lead to."""
    edges, end = [], len(parts)
    while end:
        end = begins[end]
        edges.insert(0, end)
    return next(way for way in splits(parts) if way[2] == tuple(edges))


@given(all_parts())
def test_of_all_ways_with_the_lowest_peak_the_cheapest_is_taken(parts):
    found = taken(parts, cheapest_split(parts, lowest_peak(parts)))
    assert found[:2] == min(splits(parts))[:2]
    assert found[0] == lowest_peak(parts)


@given(all_parts())
def test_while_peaks_may_fall_every_beginning_has_its_lowest_peak(parts):
    begins = lowest_split(parts)
    for end in range(1, len(parts) + 1):
        first = [ways[: end - begin] for begin, ways in enumerate(parts[:end])]
        assert taken(first, begins[: end + 1])[0] == min(splits(first))[0]
