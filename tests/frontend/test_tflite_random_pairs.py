"""Random pairs of maps, and maps and constants, against TensorFlow Lite Micro."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from micro import assert_same_bytes
from tflite_drafts import MAX, ended
from tflite_files import Draft
from tflite_products import constant

_TABLES = {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
}


def chosen(draw):
    return {"scale": draw(st.floats(0.01, 1)), "zero": draw(st.integers(-128, 127))}


def single(draw, shape):
    """The shape, with one in place of some of its extents."""
    return tuple(draw(st.sampled_from([1, extent])) for extent in shape)


def of_shape(draft, shape, made, quantization):
    """A map with one row, column or channel where another has several."""
    (height, width, _), (rows, columns, channels) = shape, made
    x = draft.conv(0, (1, height, width), channels, **quantization)
    if (rows, columns) == (height, width):
        return x
    window = height // rows, width // columns
    strides = {"StrideH": window[0], "StrideW": window[1]}
    return draft.pool(x, window, (1, *made), MAX, **strides)


@st.composite
def pairs(draw):
    shape = tuple(draw(st.integers(1, 6)) for _ in range(3))
    operator = draw(st.sampled_from([*_TABLES]))
    keeps_scale = _TABLES[operator] == "MaximumMinimumOptions"
    draft, quantization = Draft((1, *shape[:2], 3)), chosen(draw)
    has_constants = not keeps_scale and draw(st.booleans())
    if has_constants:
        a = draft.conv(0, (1, *shape[:2]), shape[2], **quantization)
        numbers = np.random.default_rng(draw(st.integers(0, 99)))
        made = numbers.integers(-128, 128, single(draw, shape))
        first = draw(st.integers(0, 2)) if made.shape[0] == 1 else 0
        if made.shape[:first] == (1,) * first:
            made = made.reshape(made.shape[first:])
        b = constant(draft, made)
    else:
        one = single(draw, shape)
        # Together they have all of it.
        whole = zip(one, single(draw, shape), shape, strict=True)
        other = tuple(full if extent == 1 else drawn for extent, drawn, full in whole)
        a = of_shape(draft, shape, one, quantization)
        b = of_shape(draft, shape, other, quantization if keeps_scale else chosen(draw))
    reads = [a, b] if draw(st.booleans()) else [b, a]
    result = quantization if keeps_scale else chosen(draw)
    x = draft.append(operator, reads, (1, *shape), _TABLES[operator], **result)
    return ended(draft, draft.conv(x, (1, *shape[:2]), 4))


@pytest.mark.oracle
@settings(max_examples=100)
@given(pairs())
def test_bytes_of_random_pairs(tmp_path_factory, draft):
    path = tmp_path_factory.getbasetemp() / "random_pairs.tflite"
    assert_same_bytes(draft.write(path), 2)
