"""Networks that come from no file: untrained autoencoders of any widths."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kilograd.errors import ModelError
from kilograd.frontend.builder import GraphBuilder, Parameters
from kilograd.ir import Graph, LabelKind, Quantization
from kilograd.ops.arithmetic import random_bits
from kilograd.ops.loss.reconstruction import ReconstructionAttributes

#: How the names of such networks begin; widths follow.
AUTOENCODER = "autoencoder"

_NAME = re.compile(rf"{AUTOENCODER}((?:-\d+)*)")
_FEWEST, _MOST, _WIDEST = 2, 8, 4096
#: What samples lie between, and what their int8 elements are then: four standard deviations.
_REACH = 4.0
_SAMPLE = Quantization((_REACH / 128,), 0)
#: Of hidden layers, whose results are 0 to 8, and of the narrowest one, where they are -8 to 8.
_HIDDEN, _NARROWEST = Quantization((8 / 255,), -128), Quantization((8 / 128,), 0)
_RESULT = Quantization((1 / 128,), 0)
#: Of weights at the beginning: training doubles them at most before they reach the end of int8.
_LARGEST = 63
_DEVIATION = math.sqrt(((2 * _LARGEST + 1) ** 2 - 1) / 12)


def is_made(text: str) -> bool:
    """Whether a model's name is that of a network that is made, and of no file."""
    return _NAME.fullmatch(text) is not None


def make_network(text: str, classes: int | None = None) -> Graph:
    """An autoencoder of dense layers with random weights, the same wherever it is made.

    Hidden layers are clamped at zero and begin as He et al., "Delving Deep into Rectifiers", 2015,
    have it. The narrowest one is not clamped: held-back normal samples of three sets then have 8 to
    19% less error, in the mean of eight beginnings. Samples are vectors whose elements are
    standardized: their mean is 0 and their standard deviation 1.

    Args:
        text: ``autoencoder-64-32-8`` makes 32, 8 and 32 numbers of 64, and these again.
        classes: must be None: there is nothing in such a network to tell classes apart by.

    Raises:
        ModelError: the widths will not do, or classes are asked for.
    """
    widths = _widths(text)
    if classes is not None:
        raise ModelError(
            "an untrained autoencoder learns what is normal, and tells no classes apart",
            where=text,
            hint='call the class of normal samples "normal", or take a network that was trained',
        )
    builder = GraphBuilder(text, 1, 1, widths[0], _SAMPLE)
    x, last = "input", len(widths) - 2
    for place, (given, made) in enumerate(pairwise(widths)):
        deviation, output = math.sqrt(1 / given), _NARROWEST
        if place == last:  # in units of all that a sample reaches
            deviation, output = deviation / _REACH, _RESULT
        elif place != last // 2:
            deviation, output = math.sqrt(2 / given), _HIDDEN
        scales = np.full(made, deviation / _DEVIATION)
        p = Parameters(_weight(place, made, given), np.zeros(made, np.int32), scales)
        x = builder.pointwise(f"dense_{place}", x, p, output)
    attributes = ReconstructionAttributes(_REACH)
    error = builder.append("error", "reconstruction_error", [x, "input"], attributes)
    return builder.finish(
        error, is_foreign=True, label_kind=LabelKind.ANOMALY, value_range=(-_REACH, _REACH)
    )


def _widths(text: str) -> list[int]:
    """Of the sample, the layers and the result; the second half mirrors the first."""
    match = _NAME.fullmatch(text)
    stated = [int(width) for width in match[1].split("-")[1:]] if match else []
    is_right = _FEWEST <= len(stated) <= _MOST and all(1 <= n <= _WIDEST for n in stated)
    if not is_right or stated[0] < 2:  # noqa: PLR2004 - one number is nothing to make again
        raise ModelError(
            f"an autoencoder has {_FEWEST} to {_MOST} widths of 1 to {_WIDEST}, and at least 2 for "
            "its sample",
            where=text,
            hint=f"{AUTOENCODER}-64-32-8 makes 32, 8 and 32 numbers of 64, and these again",
        )
    return [*stated, *stated[-2::-1]]


def _weight(place: int, made: int, given: int) -> NDArray[np.int8]:
    bits = random_bits(1, 0, place, made * given).astype(np.int64)
    values = (bits * (2 * _LARGEST + 1) >> 32) - _LARGEST
    return values.astype(np.int8).reshape(made, given)
