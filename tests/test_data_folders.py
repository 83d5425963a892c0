"""Folders of images, one folder per class."""

import numpy as np
import pytest
from PIL import Image

from data_packs import SPEC, image_folder, jpeg, refused, solid
from kilograd.data import InputSpec, images, load_dataset, pixels


def test_folder_of_classes(tmp_path):
    root = image_folder(tmp_path / "pets.v1", dog=8, cat=4)
    (root / "cat" / "notes.txt").write_text("not an image")
    (root / ".hidden").mkdir()
    dataset = load_dataset(root, SPEC)
    assert dataset.name == "pets.v1"
    assert dataset.class_names == ("cat", "dog")
    assert np.bincount(dataset.train.labels).tolist() == [3, 6]
    assert np.bincount(dataset.test.labels).tolist() == [1, 2]
    red = {0: 50 - 127, 1: 0 - 127}
    for samples in (dataset.train, dataset.test):
        assert samples.inputs[:, 0, 0, 0].tolist() == [red[label] for label in samples.labels]
    shades = np.concatenate([dataset.train.inputs, dataset.test.inputs])[:, 0, 0, :2].tolist()
    assert len({tuple(shade) for shade in shades}) == 12


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_folder_with_its_own_split(tmp_path, held_out):
    image_folder(tmp_path / "train", a=3, b=2)
    image_folder(tmp_path / held_out, b=4)
    dataset = load_dataset(tmp_path, SPEC)
    assert dataset.class_names == ("a", "b")
    assert np.bincount(dataset.train.labels).tolist() == [3, 2]
    assert dataset.test.labels.tolist() == [1, 1, 1, 1]


def test_every_suffix_is_read(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for suffix in [*sorted(images.SUFFIXES), ".JPG"]:
            solid((90, 90, 90)).save(tmp_path / name / f"image{suffix}")
    dataset = load_dataset(tmp_path, SPEC)
    assert len(dataset.train) + len(dataset.test) == 20
    assert (abs(dataset.train.inputs + 37) <= 2).all()


@pytest.mark.parametrize(
    ("mode", "colour"),
    [
        ("L", 90),
        ("RGBA", (90, 90, 90, 255)),
        ("P", 90),
        ("I;16", 90 * 256),
        ("CMYK", (0, 0, 0, 165)),
    ],
)
def test_image_modes(tmp_path, mode, colour):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(2):
            image = solid(colour, mode=mode)
            if mode == "P":
                image.putpalette([value for value in range(256) for _ in "rgb"])
            suffix = "jpg" if mode == "CMYK" else "png"
            image.save(tmp_path / name / f"{index}.{suffix}")
    assert (abs(load_dataset(tmp_path, SPEC).train.inputs + 37) <= 1).all()


def test_exif_orientation_is_honoured(tmp_path):
    image = solid((0, 0, 0), (8, 4))
    image.paste((255, 255, 255), (0, 0, 4, 4))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left half becomes the upper one
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(2):
            image.save(tmp_path / name / f"{index}.png", exif=exif)
    spec = InputSpec(2, 2, 1, 1 / 127.5, 0)
    upper_and_lower = load_dataset(tmp_path, spec).train.inputs[0, :, :, 0]
    assert (upper_and_lower[0] > 60).all()
    assert (upper_and_lower[1] < -60).all()


def test_images_are_resized_whole_and_bilinear(tmp_path):
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 7, 3)).astype(np.uint8))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(2):
            image.save(tmp_path / name / f"{index}.png")
    expected = np.asarray(image.resize((4, 4), Image.Resampling.BILINEAR)).astype(int) - 127
    found = load_dataset(tmp_path, SPEC).train.inputs[0]
    np.testing.assert_array_equal(found, expected.clip(-128, 127))


def test_wrong_folders(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(empty).what == "found 0 class folders; at least two are needed"
    assert "one folder of images per class" in refused(empty).hint
    single = image_folder(tmp_path / "single", cat=3)
    assert refused(single).what == "found 1 class folders; at least two are needed"
    (single / "dog").mkdir()
    (single / "dog" / "readme.md").touch()
    error = refused(single)
    assert error.what == "the class folder 'dog' has no images"
    assert error.where == str(single / "dog")
    lone = image_folder(tmp_path / "lone", cat=3, dog=1)
    assert refused(lone).what == "the class 'dog' has a single sample, which cannot be split"
    stray = tmp_path / "stray"
    image_folder(stray / "train", a=2, b=2)
    image_folder(stray / "test", a=1, c=1)
    assert refused(stray).what == "the class 'c' has test images but no train images"


@pytest.mark.parametrize("content", [b"", b"hello", jpeg((1, 2, 3), (64, 64))[:500]])
def test_image_file_that_does_not_decode_is_named(tmp_path, content):
    root = image_folder(tmp_path, a=2, b=2)
    (root / "b" / "001.png").write_bytes(content)
    error = refused(root)
    assert error.what == "the image does not decode"
    assert error.where == str(root / "b" / "001.png")


def test_decompression_bombs_are_refused(tmp_path, monkeypatch):
    root = image_folder(tmp_path, a=2, b=2)
    solid((0, 0, 0), (100, 100)).save(root / "a" / "000.png")
    monkeypatch.setattr(pixels, "MAX_PIXELS", 9999)
    error = refused(root)
    assert error.what.startswith("the image has 100x100 pixels; at most")
    assert error.where == str(root / "a" / "000.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert refused(root).what.startswith("the image has over 0 million pixels; at most")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": -1}, "limit is -1; it cannot be negative"),
        ({"test_limit": -5}, "test_limit is -5; it cannot be negative"),
        ({"test_share": 0.0}, "test_share is 0.0; it must lie between 0 and 1"),
        ({"test_share": float("nan")}, "test_share is nan; it must lie between 0 and 1"),
    ],
)
def test_impossible_options(tmp_path, options, message):
    assert refused(image_folder(tmp_path, a=2, b=2), **options).what == message
