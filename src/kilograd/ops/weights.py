"""What a layer computes with, as other tools lay it out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LayerWeights:
    """Bias and effective weight of a layer, in PyTorch's layout.

    Attributes:
        weight: float64 real values, before a trained weight is rounded to whole steps: [O, I, kh,
            kw] of a convolution, [C, 1, kh, kw] of a depthwise one, [O, I] of a dense layer.
        weight_int8: the same in whole steps, as kernels multiply it.
        weight_scale: float64 [O], the real value of a step of each output channel.
        bias: float64 [O], real values.
        bias_int32: int32 [O], in steps of input scale · weight scale.
    """

    weight: NDArray[np.float64]
    weight_int8: NDArray[np.int8]
    weight_scale: NDArray[np.float64]
    bias: NDArray[np.float64]
    bias_int32: NDArray[np.int32]
