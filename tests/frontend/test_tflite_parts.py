"""Parts of maps in .tflite files along any dimension, and blocks of pixels as channels."""

import numpy as np
import pytest
from micro import assert_same_bytes
from test_tflite_channels import begun, refusal, split, strided
from tflite_drafts import ended
from tflite_files import Draft, DraftOperator


def blocks(operator, shape, *, block=2, first=False):
    """As a layer in the middle, or as the first one."""

    def make():
        if first:
            draft, x = Draft((1, 6, 4, 3)), 0
        else:
            draft = Draft((1, 6, 4, 3))
            x = draft.conv(0, (1, 6, 4), 8)
        table = {"DEPTH_TO_SPACE": "DepthToSpaceOptions", "SPACE_TO_DEPTH": "SpaceToDepthOptions"}
        x = draft.like(operator, x, shape, table=table[operator], BlockSize=block)
        return ended(draft, draft.conv(x, shape[:3], 4))

    return make


def split_along(axis, sizes, *, by_sizes=True, reordered=False):
    """Two parts of a map, each under a convolution, and their sum."""

    def make():
        draft, x = begun()
        if reordered:
            x = draft.transpose(x, (0, 3, 1, 2))
        parts = split(draft, x, sizes, axis, by_sizes=by_sizes)
        made = [
            draft.mean(draft.conv(y, draft.tensors[y].shape[:3], 6), (1, 2), (1, 6)) for y in parts
        ]
        draft.dense(draft.add(*made), 3)
        return draft

    return make


def unpacked(draft, x, axis, count=None):
    """Every place along an axis by itself."""
    given = draft.tensors[x]
    shape = [extent for place, extent in enumerate(given.shape) if place != axis]
    results = [
        draft.tensor(f"place{place}", shape, "int8", given.scales, given.zeros)
        for place in range(given.shape[axis])
    ]
    options = {"Num": given.shape[axis] if count is None else count, "Axis": axis}
    draft.operators.append(DraftOperator("UNPACK", [x], results, "UnpackOptions", options))
    return results


def steps(axis):
    """The sum of three places, as recurrent layers that are spelled out take them."""

    def make():
        draft = Draft((1, 4, 3, 5))
        first, second, *_, last = unpacked(draft, draft.conv(0, (1, 4, 3), 6), axis)
        x = draft.add(draft.add(first, second), last)
        draft.dense(draft.reshape(x, (1, int(np.prod(draft.tensors[x].shape)))), 3)
        return draft

    return make


def focused():
    """Every other row and column, four times, side by side."""
    draft = Draft((1, 8, 6, 3))
    parts = [
        strided(draft, 0, (0, row, column, 0), (1, 8, 6, 3), (1, 4, 3, 3), (1, 2, 2, 1))
        for column in (0, 1)
        for row in (0, 1)
    ]
    x = draft.concatenate(parts, 3, (1, 4, 3, 12))
    return ended(draft, draft.conv(x, (1, 4, 3), 6))


def thinned():
    """Every third column up to the last but one, of a map whose channels come first."""
    draft, x = begun()
    x = draft.transpose(x, (0, 3, 1, 2))
    x = strided(draft, x, (0, 2, 1, 1), (1, 12, 5, 4), (1, 10, 2, 1), (1, 1, 3, 3))
    x = draft.transpose(x, (0, 2, 3, 1))
    return ended(draft, draft.conv(x, (1, 2, 1), 4))


def mirrored(mode, *, is_turned=False):
    """Padding with positions of the map itself."""

    def make():
        draft, x = begun()
        x = draft.transpose(x, (0, 2, 1, 3)) if is_turned else x
        pads = ((0, 0), (2, 1), (3, 0), (0, 0))
        shape = tuple(
            extent + sum(pair) for extent, pair in zip(draft.tensors[x].shape, pads, strict=True)
        )
        numbers = draft.constant("pads", np.array(pads, np.int32))
        x = draft.like("MIRROR_PAD", x, shape, numbers, table="MirrorPadOptions", Mode=mode)
        return ended(draft, draft.conv(x, shape[:3], 4))

    return make


DRAFTS = {
    "reflected": mirrored(0),
    "symmetric": mirrored(1),
    "symmetric, turned": mirrored(1, is_turned=True),
    "depth to space": blocks("DEPTH_TO_SPACE", (1, 12, 8, 2)),
    "space to depth": blocks("SPACE_TO_DEPTH", (1, 3, 2, 32)),
    "space to depth at first": blocks("SPACE_TO_DEPTH", (1, 3, 2, 12), first=True),
    "split by rows": split_along(1, (2, 4)),
    "split by columns": split_along(-2, (4, 1)),
    "split in halves": split_along(1, (3, 3), by_sizes=False),
    "split behind channels": split_along(2, (4, 2), reordered=True),
    "split by channels that are first": split_along(1, (6, 6), reordered=True),
    "steps of rows": steps(1),
    "steps of channels": steps(3),
    "focused": focused,
    "thinned": thinned,
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_bytes_of_parts_and_blocks(what, tmp_path):
    # What is cropped in front of a pool is no tensor of the file.
    assert_same_bytes(DRAFTS[what]().write(tmp_path / "net.tflite"), is_random=what == "focused")


@pytest.mark.parametrize(
    "what", ["symmetric", "depth to space", "space to depth", "focused", "steps of rows"]
)
def test_parts_and_blocks_train(what, load, learns_alike):
    assert learns_alike(load(DRAFTS[what]()))


def every_other_channel():
    draft, x = begun()
    x = strided(draft, x, (0, 0, 0, 0), (1, 6, 5, 12), (1, 6, 5, 6), strides=(1, 1, 1, 2))
    return ended(draft, draft.conv(x, (1, 6, 5), 4))


def backwards():
    draft, x = begun()
    x = strided(draft, x, (0, 5, 0, 0), (1, -7, 5, 12), (1, 6, 5, 12), strides=(1, -1, 1, 1))
    return ended(draft, draft.conv(x, (1, 6, 5), 4))


def of_no_dimension():
    draft, x = begun()
    rows, _ = split(draft, x, (3, 3), axis=1)
    (axis,) = (o.inputs[0] for o in draft.operators if o.operator == "SPLIT")
    draft.tensors[axis].data = np.array(4, np.int32)
    return ended(draft, draft.conv(rows, (1, 3, 5), 4))


def of_another_count():
    draft = Draft((1, 4, 3, 5))
    first, *_ = unpacked(draft, draft.conv(0, (1, 4, 3), 6), 1, count=3)
    draft.dense(draft.reshape(first, (1, 18)), 3)
    return draft


WRONG = {
    "of another mode": (mirrored(2), "its mode has the unknown code 2"),
    "every other channel": (every_other_channel, "it takes every [1, 1, 1, 2] elements, and kil"),
    "backwards": (backwards, "what it takes is not a constant part of its map"),
    "of no dimension": (of_no_dimension, "it splits dimension 4 of 4"),
    "of another count": (of_another_count, "it makes 4 of 3 places along dimension 1 of 4"),
    "of too few channels": (
        blocks("DEPTH_TO_SPACE", (1, 18, 12, 0), block=3),
        "it makes blocks of 3 by 3 of 8 channels",
    ),
    "of odd rows": (
        blocks("SPACE_TO_DEPTH", (1, 1, 1, 128), block=4),
        "it takes blocks of 4 by 4 off a map of 6×4",
    ),
    "of no rows": (
        blocks("SPACE_TO_DEPTH", (1, 6, 4, 8), block=0),
        "it has blocks of 0 by 0",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_taken_is_refused(what, tmp_path):
    make, message = WRONG[what]
    assert message in refusal(make(), tmp_path)
