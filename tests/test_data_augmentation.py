"""Augmentation: what it does to an image, the same bits each time, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilograd.data import Augmentation, InputSpec
from kilograd.errors import DataError
from kilograd.frontend.open import input_spec, load_model

SPEC = InputSpec(6, 8, 3, 1 / 127.5, 0)
STEPS = range(200)


def picture(seed=0, spec=SPEC):
    return np.random.default_rng(seed).integers(-127, 128, spec.shape).astype(np.int8)


def test_a_flip_mirrors_every_other_image_left_to_right():
    sample, augment = picture(), Augmentation(flip=True).of(SPEC, seed=1)
    results = [augment(sample, step) for step in STEPS]
    mirrored = [np.array_equal(result, sample[:, ::-1]) for result in results]
    assert all(
        flipped or np.array_equal(result, sample)
        for flipped, result in zip(mirrored, results, strict=True)
    )
    assert 70 < sum(mirrored) < 130


def test_a_shift_moves_and_continues_the_border():
    rows, columns = np.indices((6, 8))
    sample = np.stack([rows, columns, rows], axis=2).astype(np.int8)
    augment = Augmentation(shift=2).of(SPEC, seed=0)
    moves = set()
    for step in STEPS:
        result = augment(sample, step)
        down, right = 3 - int(result[3, 4, 0]), 4 - int(result[3, 4, 1])
        moves.add((down, right))
        assert np.array_equal(result[:, :, 0], (rows - down).clip(0, 5))
        assert np.array_equal(result[:, :, 1], (columns - right).clip(0, 7))
    assert moves == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_brightness_moves_all_pixels_by_one_amount():
    sample = np.zeros(SPEC.shape, np.int8)
    augment = Augmentation(brightness=3).of(SPEC, seed=0)
    results = [augment(sample, step) for step in STEPS]
    assert all(result.min() == result.max() for result in results)
    assert {int(result[0, 0, 0]) for result in results} == set(range(-3, 4))


def test_pixels_saturate_where_they_end():
    spec = replace(SPEC, pixel_range=(0.0, 1.0), scale=1 / 255, zero_point=-128)
    bright = np.full(spec.shape, 120, np.int8)
    augment = Augmentation(brightness=100).of(spec, seed=0)
    values = {int(value) for step in STEPS for value in np.unique(augment(bright, step))}
    assert max(values) == 127
    assert min(values) >= 20


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 9))
def test_seed_and_step_decide_alone(seed, step, other):
    text = "flip,shift:3,brightness:50"
    one, two = (Augmentation.parse(text).of(SPEC, seed) for _ in range(2))
    one(picture(other), other)
    result = one(picture(), step)
    assert np.array_equal(result, two(picture(), step))
    assert result.dtype == np.int8
    assert result.shape == SPEC.shape
    assert result.flags.c_contiguous


@given(st.booleans(), st.integers(0, 64), st.integers(0, 127))
def test_text_says_it_all(flip, shift, brightness):
    augmentation = Augmentation(flip, shift, brightness)
    text = str(augmentation)
    assert not text or Augmentation.parse(text) == augmentation


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "rotate:3",
            "there is no augmentation 'rotate:3'\n  hint: flip,shift:4",
        ),
        ("", "there is no augmentation ''"),
        ("flip,flip", "flip is there twice"),
        ("flip:1", "a flip has no amount"),
        ("shift", "an amount of shift is 1 to 64, not ''"),
        ("shift:0", "an amount of shift is 1 to 64, not '0'"),
        ("shift:²", "an amount of shift is 1 to 64, not '²'"),
        ("shift:65", "an amount of shift is 1 to 64, not 65"),
        ("brightness:-3", "an amount of brightness is 1 to 127, not '-3'"),
        ("brightness:128", "an amount of brightness is 1 to 127, not 128"),
    ],
)
def test_what_is_no_augmentation(text, message):
    with pytest.raises(DataError) as caught:
        Augmentation.parse(text)
    assert message in str(caught.value)


def test_only_images_are_augmented():
    with pytest.raises(DataError, match="only images can be augmented"):
        Augmentation(flip=True).of(input_spec(load_model("kilograd-kws", 2)), 0)
    with pytest.raises(DataError, match="the network reads 9 channels"):
        Augmentation(flip=True).of(replace(SPEC, channels=9), 0)
