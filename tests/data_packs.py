"""Packs and image folders for the tests of datasets."""

import io

import numpy as np
import pytest
from PIL import Image

from kilograd.data import InputSpec, load_dataset
from kilograd.errors import DataError

SPEC = InputSpec(4, 4, 3, 1 / 127.5, 0)


def solid(colour, size=(4, 4), mode="RGB"):
    return Image.new(mode, size, colour)


def jpeg(colour, size=(8, 8)):
    stream = io.BytesIO()
    solid(colour, size).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def jpeg_pack(path, *, count=12, classes=3, **changes):
    """Write grey images, one brightness per class; every fourth sample is for testing."""
    labels = np.arange(count) % classes
    content = [jpeg((40 * label, 40 * label, 40 * label)) for label in labels.tolist()]
    arrays = {
        "jpeg": np.frombuffer(b"".join(content), np.uint8),
        "offsets": np.cumsum([0, *map(len, content)]),
        "labels": labels.astype(np.int16),
        "split": (np.arange(count) // classes % 4 == 3).astype(np.uint8),
        "class_names": np.array(["ant", "bee", "cat", "dog"][:classes]),
        "source": np.array("made by the test"),
    }
    arrays |= changes
    np.savez_compressed(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def array_pack(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "inputs": rng.integers(-128, 128, (8, 4, 4, 3)).astype(np.int8),
        "labels": np.arange(8) % 2,
        "split": np.arange(8) // 6,
    }
    arrays |= changes
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def image_folder(root, **classes):
    """Make a folder per class with so many PNGs, each image with a colour of its own."""
    for number, (name, count) in enumerate(classes.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            solid((50 * number, index, 0)).save(root / name / f"{index:03}.png")
    return root


def refused(path, spec=SPEC, **options):
    """Load a dataset that is refused, and return the error."""
    with pytest.raises(DataError) as caught:
        load_dataset(path, spec, **options)
    return caught.value
