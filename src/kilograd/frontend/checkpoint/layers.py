"""What a checkpoint holds once it is checked: frozen layers with read-only arrays.

A quantized value q stands for the real number `scale * (q - zero)`. Padding is not stored: it is
`kernel // 2` on every side, so a layer with stride s turns a map of size n into one of ceil(n / s).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ConvLayer:
    """One int8 convolution.

    Attributes:
        in_channels: channels of the input map.
        out_channels: channels of the output map.
        kernel: (height, width) of the window; both odd.
        stride: step of the window, the same in both directions.
        groups: 1, or `in_channels` for a depthwise convolution.
        weight: int8 [out_channels, in_channels / groups, kh, kw] in -127..127, zero point 0.
        bias: int32 [out_channels], in units of `x_scale * w_scales`. Channels that pruning left
            dead have a tiny weight scale and a bias saturated at either end of int32.
        x_scale: real value of one step of the input.
        x_zero: input zero point, in -128..127.
        y_scale: real value of one step of the output.
        y_zero: output zero point, in -128..127; with it, the clamp to int8 is the activation.
        w_scales: float32 [out_channels], real value of one weight step, per output channel.
    """

    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    stride: int
    groups: int
    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    x_scale: float
    x_zero: int
    y_scale: float
    y_zero: int
    w_scales: NDArray[np.float32]


@dataclass(frozen=True)
class Residual:
    """The addition of a block's input to its output.

    Attributes:
        channels: channels of both summands.
        x_scale: real value of one step of the block's input.
        x_zero: zero point of the block's input.
        y_scale: real value of one step of the sum.
        y_zero: zero point of the sum.
    """

    channels: int
    x_scale: float
    x_zero: int
    y_scale: float
    y_zero: int


@dataclass(frozen=True, eq=False)
class Block:
    """An inverted bottleneck: its convolutions run in the order of the fields, where present."""

    pointwise1: ConvLayer | None
    depthwise: ConvLayer | None
    pointwise2: ConvLayer | None
    residual: Residual | None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A whole network; a global average pool stands between the last map and the classifier.

    Attributes:
        name: the file's stem, such as "mcunet-5fps".
        resolution: height and width of the input, in pixels.
        first_conv: the convolution that reads the image.
        blocks: the inverted bottlenecks, at least one.
        feature_mix: a last pointwise convolution before the pool, if there is one.
        classifier: a pointwise convolution over the pooled features; one output channel a class.
    """

    name: str
    resolution: int
    first_conv: ConvLayer
    blocks: tuple[Block, ...]
    feature_mix: ConvLayer | None
    classifier: ConvLayer
