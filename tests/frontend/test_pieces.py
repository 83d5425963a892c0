"""Reshapes and transposes that move nothing, against NumPy, which moves what it has to."""

import math
from itertools import pairwise, permutations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from kilograd.frontend.pieces import Pieces, is_in_order, merged

EXTENTS = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@st.composite
def tensors(draw):
    """A shape of a file, how its dimensions lie in memory, and its elements' places in memory."""
    shape = draw(EXTENTS)
    memory = draw(st.permutations(range(len(shape))))
    places = np.arange(math.prod(shape)).reshape([shape[axis] for axis in memory])
    return shape, Pieces.of(shape, memory), np.transpose(places, np.argsort(memory))


@st.composite
def splits(draw, total):
    """A shape of so many elements."""
    shape = []
    while total > 1 and len(shape) < 4:
        shape.append(draw(st.sampled_from([n for n in range(1, total + 1) if total % n == 0])))
        total //= shape[-1]
    return [*shape, total]


def assert_lies(pieces, places):
    """Elements in the file's order come to their places in memory."""
    places = places.ravel()
    assert np.array_equal(pieces.in_memory(places), np.arange(places.size))
    both = np.stack([places, -places])
    assert np.array_equal(pieces.in_memory(both)[1], -np.arange(places.size))
    assert pieces.is_in_order == (pieces.merged.extents in {(), (places.size,)})


@given(st.data(), tensors())
def test_any_row_of_reshapes_and_transposes(data, tensor):
    shape, pieces, places = tensor
    assert_lies(pieces, places)
    for _ in range(4):
        if data.draw(st.booleans()):
            order = data.draw(st.permutations(range(len(shape))))
            pieces = pieces.transposed(shape, order)
            shape, places = [shape[axis] for axis in order], np.transpose(places, order)
        else:
            shape = data.draw(splits(places.size))
            cut = pieces.cut(shape)
            places = places.reshape(shape)
            if cut is None:
                assert not pieces.is_in_order
                return
            pieces = cut
        assert_lies(pieces, places)
        assert_lies(pieces.merged, places)


@given(st.data(), tensors())
def test_moves_put_elements_where_another_tensor_has_them(data, tensor):
    shape, pieces, places = tensor
    memory = data.draw(st.permutations(range(len(shape))))
    other = Pieces.of(shape, memory)
    extents, order = pieces.moves_to(other)
    moved = np.transpose(np.arange(places.size).reshape(extents), order).ravel()
    assert np.array_equal(moved, other.in_memory(places.ravel()))
    assert is_in_order(order) == np.array_equal(moved, np.arange(places.size))
    few, joined = merged(extents, order)
    assert np.array_equal(np.transpose(np.arange(places.size).reshape(few), joined).ravel(), moved)
    assert all(b != a + 1 for a, b in pairwise(joined))


@given(tensors(), tensors())
def test_nothing_moves_to_what_has_other_parts(one, other):
    assume(one[2].size != other[2].size)
    assert one[1].moves_to(other[1]) is None


def test_a_part_of_an_axis_that_is_no_box():
    pieces = Pieces.of((2, 3), (1, 0))
    assert pieces.cut((3, 2)) is None
    assert pieces.cut((6,)) == pieces
    assert Pieces.of((2, 3), (0, 1)).cut((3, 2)) == Pieces((3, 2), (0, 1))
    assert all(len(Pieces.of((4, 1, 4), order).extents) == 2 for order in permutations(range(3)))
