"""Random networks that pad, crop, clamp, dilate and reorder, against TensorFlow Lite Micro."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from micro import assert_same_bytes
from tflite_borders import RELU_N1_TO_1, bound, cropped, filled
from tflite_drafts import AVERAGE, MAX, ended
from tflite_files import RELU, RELU6, SAME, VALID, Draft

_KINDS = ("conv", "pad", "crop", "filled", AVERAGE, MAX, "dilated", "reordered", "add", "bounded")
_CLAMPS = (0, RELU, RELU_N1_TO_1, RELU6)


def chosen(draw):
    return {"scale": draw(st.floats(0.01, 1)), "zero": draw(st.integers(-128, 127))}


def pads_of(draw, most=4):
    rows, columns = (tuple(draw(st.integers(0, most)) for _ in range(2)) for _ in range(2))
    return (0, 0), rows, columns, (0, 0)


def convolution(draw, draft, x, outputs=None):
    _, height, width, _ = draft.tensors[x].shape
    taps = draw(st.integers(1, min(3, height))), draw(st.integers(1, min(3, width)))
    padding = draw(st.sampled_from([SAME, VALID]))
    rows, columns = (
        extent if padding == SAME else extent - tap + 1
        for extent, tap in zip((height, width), taps, strict=True)
    )
    clamp = {"FusedActivationFunction": draw(st.sampled_from(_CLAMPS))}
    count = outputs or draw(st.integers(1, 5))
    return draft.conv(x, (1, rows, columns), count, taps, padding=padding, **clamp, **chosen(draw))


def crop(draw, draft, x):
    shape = draft.tensors[x].shape
    begin = [0, *(draw(st.integers(0, (extent - 1) // 2)) for extent in shape[1:])]
    size = [draw(st.integers(1, n - first)) for n, first in zip(shape, begin, strict=True)]
    return cropped(draft, x, begin, size)


def dilated(draw, draft, x):
    """A convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND."""
    _, height, width, channels = draft.tensors[x].shape
    blocks = [draw(st.integers(1, 3)) for _ in range(2)]
    taps = [draw(st.integers(1, 2)) for _ in range(2)]
    inside = [(0, -extent % block) for extent, block in zip((height, width), blocks, strict=True)]
    before = [((tap - 1) * block, 0) for tap, block in zip(taps, blocks, strict=True)]
    x = draft.pad(x, ((0, 0), *before, (0, 0)))
    shape = [
        (extent + sum(pad) + sum(more)) // block
        for extent, pad, more, block in zip((height, width), inside, before, blocks, strict=True)
    ]
    numbers = [draft.constant("blocks", np.array(blocks, np.int32))]
    given = [*numbers, draft.constant("pads", np.array(inside, np.int32))]
    count = int(np.prod(blocks))
    y = draft.like("SPACE_TO_BATCH_ND", x, (count, *shape, channels), *given)
    made = [n - tap + 1 for n, tap in zip(shape, taps, strict=True)]
    y = draft.conv(y, (count, *made), 3, taps, padding=VALID, **chosen(draw))
    given = [*numbers, draft.constant("crops", np.array(inside, np.int32))]
    return draft.like("BATCH_TO_SPACE_ND", y, (1, height, width, 3), *given)


def reordered(draw, draft, x):
    """Channels first, a constant for each of them and a crop, and channels last again."""
    channels = draft.tensors[x].shape[3]
    x = draft.transpose(x, (0, 3, 1, 2))
    data = draft.rng.integers(-127, 128, (channels, 1, 1)).astype(np.int8)
    factors = draft.constant("factors", data, (0.01,))
    operator = draw(st.sampled_from(["MUL", "ADD", "SUB"]))
    table = f"{operator.title()}Options"
    x = draft.append(operator, [x, factors], draft.tensors[x].shape, table, **chosen(draw))
    return draft.transpose(crop(draw, draft, x), (0, 2, 3, 1))


@st.composite
def random_networks(draw):
    extent = st.integers(2, 9)
    shape = (1, draw(extent), draw(extent), draw(st.integers(1, 4)))
    draft = Draft(shape, zero=draw(st.integers(-128, 127)), seed=draw(st.integers(0, 2**32 - 1)))
    x = convolution(draw, draft, 0)
    for _ in range(draw(st.integers(1, 4))):
        kind, shape = draw(st.sampled_from(_KINDS)), draft.tensors[x].shape
        if kind == "pad":
            x = draft.pad(x, pads_of(draw))
        elif kind == "filled":
            x = filled(draft, x, pads_of(draw, 1), -128)
            shape = draft.tensors[x].shape
            window = min(2, shape[1]), min(2, shape[2])
            made = (1, shape[1] - window[0] + 1, shape[2] - window[1] + 1, shape[3])
            x = draft.pool(x, window, made, MAX)
        elif kind in {AVERAGE, MAX}:
            window = draw(st.integers(1, min(3, shape[1]))), draw(st.integers(1, min(3, shape[2])))
            x = draft.pool(x, window, shape, kind, Padding=SAME)
        elif kind == "add":
            y = draft.conv(x, shape[:3], shape[3], (1, 1), **chosen(draw))
            clamp = draw(st.sampled_from(_CLAMPS))
            x = draft.add(x, y, FusedActivationFunction=clamp, **chosen(draw))
        elif kind == "bounded":
            number = bound(draft, x, np.array(draw(st.integers(-128, 127)), np.int8))
            name = draw(st.sampled_from(["MINIMUM", "MAXIMUM"]))
            x = draft.like(name, x, shape, number, table="MaximumMinimumOptions")
        else:
            build = {"conv": convolution, "crop": crop, "dilated": dilated, "reordered": reordered}
            x = build[kind](draw, draft, x)
    return ended(draft, x)


@pytest.mark.oracle
@settings(max_examples=100)
@given(random_networks())
def test_bytes_of_random_networks(tmp_path_factory, draft):
    path = tmp_path_factory.getbasetemp() / "random_borders.tflite"
    assert_same_bytes(draft.write(path), 2)
