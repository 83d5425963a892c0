"""Pixels and real values become int8."""

import numpy as np
import pytest

from data_packs import SPEC
from kilograd.data import InputSpec
from kilograd.errors import DataError


def test_pixels_at_the_anchors_scale():
    table = SPEC.pixel_table()[:, 0]
    expected = [min(max(int(np.floor(pixel - 127.5 + 0.5)), -128), 127) for pixel in range(256)]
    assert table.tolist() == expected
    assert table[0] == -127
    assert table[128] == 1
    assert table[255] == 127
    as_float32 = InputSpec(4, 4, 3, float(np.float32(1 / 127.5)), 0)
    assert as_float32.pixel_table()[:, 0].tolist() == expected


def test_pixels_at_another_scale_and_zero_point():
    table = InputSpec(4, 4, 3, 0.02, 10).pixel_table()[:, 0]
    for pixel in (0, 1, 60, 127, 128, 254, 255):
        exact = np.floor((pixel / 127.5 - 1) / 0.02 + 0.5) + 10
        assert table[pixel] == np.clip(exact, -128, 127)
    assert InputSpec(4, 4, 3, 1 / 127.5, -1).pixel_table()[:, 0][255] == 127
    assert InputSpec(4, 4, 3, 1 / 127.5, -1).pixel_table()[:, 0][0] == -128


def test_real_values_are_rounded_half_up_and_clamped():
    spec = InputSpec(1, 1, 1, 0.5, 3)
    real = np.array([0.0, 0.25, -0.25, 0.74, 1e30, -1e30], np.float32)
    assert spec.quantize(real).tolist() == [3, 4, 3, 4, 127, -128]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((0, 4, 3, 1.0, 0), "the input size 0x4 is outside 1..4096 pixels"),
        ((4, 9999, 3, 1.0, 0), "the input size 4x9999 is outside 1..4096 pixels"),
        ((4, 4, 0, 1.0, 0), "the input has 0 channels"),
        ((4, 4, 3, 0.0, 0), "the input scale 0.0 is not a finite number above 0"),
        ((4, 4, 3, float("nan"), 0), "the input scale nan is not a finite number above 0"),
        ((4, 4, 3, 1.0, 128), "the input zero point 128 is outside -128..127"),
    ],
)
def test_impossible_inputs(fields, message):
    with pytest.raises(DataError) as caught:
        InputSpec(*fields)
    assert caught.value.what == message
