"""Faces, and crops that show none: the data of the demo, which come with scikit-image."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kilograd.data.samples import Dataset, InputSpec, Samples
from kilograd.errors import DataError

_CROPS = 200


def faces_dataset(spec: InputSpec, seed: int = 0) -> Dataset:
    """Face or no face: 100 + 100 crops that come with scikit-image, half of each to test on.

    Args:
        spec: of the samples; the grey 25×25 crops are scaled up (bilinear) and repeated over the
            channels.
        seed: of the split.

    Raises:
        DataError: when scikit-image, or its data, is not installed.
    """
    try:
        source = files("skimage") / "data" / "lfw_subset.npy"
        with source.open("rb") as file:
            crops: NDArray[np.float64] = np.load(file, allow_pickle=False)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise DataError(
            "the demo's crops come with scikit-image, which is not installed",
            hint="pip install 'kilograd[demo]'",
        ) from error
    inputs = np.stack([_sample(crop, spec) for crop in crops])
    labels = np.repeat(np.array([1, 0], np.int32), _CROPS // 2)
    generator = np.random.Generator(np.random.PCG64(seed))
    parts: list[NDArray[np.int64]] = []
    for label in (0, 1):
        chosen = generator.permutation(np.flatnonzero(labels == label))
        parts.append(chosen.reshape(2, -1))
    train, test = (np.concatenate([part[half] for part in parts]) for half in (0, 1))
    return Dataset(
        "faces (LFW subset)",
        Samples(inputs[train], labels[train]),
        Samples(inputs[test], labels[test]),
        ("no face", "face"),
    )


def _sample(crop: NDArray[np.float64], spec: InputSpec) -> NDArray[np.int8]:
    grey = Image.fromarray(np.rint(crop * 255).astype(np.uint8))
    scaled = grey.resize((spec.width, spec.height), Image.Resampling.BILINEAR)
    pixels = np.asarray(scaled).astype(np.float64)[..., None] / 127.5 - 1
    return np.repeat(spec.quantize(pixels), spec.channels, axis=2)
