"""Convolutions whose filters each read a part of the channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.builder import Parameters

#: A copy's weight, as a whole number and its scale: their product is 1, so that a copy has the
#: bytes of its original, and a step of the weight is as small as in other layers.
COPY, COPY_SCALE = 64, 1 / 64


def groups_of(weight: NDArray[np.int8], channels: int) -> int | None:
    """How many groups the filters [O, kh, kw, I] form on so many channels; None if they do not."""
    outputs, _, _, read = weight.shape
    groups = channels // read
    return groups if groups * read == channels and outputs % max(groups, 1) == 0 else None


def spread(weight: NDArray[np.int8], channels: int) -> NDArray[np.int8]:
    """Filters [O, kh, kw, I] that read all channels: [O, kh, kw, ``channels``].

    What a filter does not read has a weight of zero, and adds nothing to an accumulator.
    """
    outputs, height, width, read = weight.shape
    of_group = outputs * read // channels
    result = np.zeros((outputs, height, width, channels), np.int8)
    for first in range(0, channels, read):
        made = slice(first // read * of_group, (first // read + 1) * of_group)
        result[made, :, :, first : first + read] = weight[made]
    return result


def copies(channels: int, each: int, before: int = 0, behind: int = 0) -> Parameters:
    """A pointwise layer that makes ``each`` channels of every one, all with its bytes.

    Args:
        channels: of the map.
        each: number of copies.
        before: channels of zero in front of them.
        behind: channels of zero behind them.
    """
    made = channels * each
    weight = np.zeros((before + made + behind, channels), np.int8)
    weight[before + np.arange(made), np.arange(made) // each] = COPY
    outputs = len(weight)
    return Parameters(weight, np.zeros(outputs, np.int32), np.full(outputs, COPY_SCALE))
