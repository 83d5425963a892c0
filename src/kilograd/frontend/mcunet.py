"""MCUNet, MobileNetV2 and ProxylessNAS checkpoints to graphs."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.builder import GraphBuilder, Parameters, fresh_head
from kilograd.frontend.checkpoint import Block, Checkpoint, ConvLayer
from kilograd.ir import Graph, Quantization
from kilograd.ops.common.window import Window


def build_graph(checkpoint: Checkpoint, classes: int | None = None) -> Graph:
    """The forward graph of a checkpoint.

    Args:
        checkpoint: as read.
        classes: of a freshly initialised head, at least 2; None keeps the checkpoint's head.
    """
    stem = checkpoint.first_conv
    size = checkpoint.resolution
    # The name of a file, which may be anything; it goes into C comments and messages.
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", checkpoint.name)
    builder = GraphBuilder(
        name, size, size, stem.in_channels, Quantization((stem.x_scale,), stem.x_zero)
    )
    x = builder.conv(
        "stem",
        "input",
        _parameters(stem, (0, 2, 3, 1)),
        Window.same(stem.kernel[0], stem.stride),
        _output(stem),
    )
    for index, block in enumerate(checkpoint.blocks):
        x = _block(builder, f"blocks.{index}", block, x)
    if checkpoint.feature_mix is not None:
        x = _pointwise(builder, "feature_mix", checkpoint.feature_mix, x)
    x = builder.average_pool("pool", x)
    channels = builder.type_of(x).shape[2]
    fresh = classes is not None
    head = fresh_head(channels, classes) if fresh else _flat(checkpoint.classifier)
    return builder.finish(builder.dense("head", x, head))


def _block(builder: GraphBuilder, name: str, block: Block, entry: str) -> str:
    x = entry
    if block.pointwise1 is not None:
        x = _pointwise(builder, f"{name}.pointwise1", block.pointwise1, x)
    if block.depthwise is not None:
        layer = block.depthwise
        x = builder.depthwise(
            f"{name}.depthwise",
            x,
            _parameters(layer, (2, 3, 0, 1), drop_last=True),
            Window.same(layer.kernel[0], layer.stride),
            _output(layer),
        )
    if block.pointwise2 is not None:
        x = _pointwise(builder, f"{name}.pointwise2", block.pointwise2, x)
    if block.residual is not None:
        output = Quantization((block.residual.y_scale,), block.residual.y_zero)
        x = builder.add(f"{name}.add", entry, x, output)
    return x


def _pointwise(builder: GraphBuilder, name: str, layer: ConvLayer, x: str) -> str:
    return builder.pointwise(name, x, _flat(layer), _output(layer))


def _flat(layer: ConvLayer) -> Parameters:
    weight = layer.weight.reshape(layer.out_channels, layer.in_channels)
    return Parameters(weight, layer.bias, layer.w_scales.astype(np.float64))


def _parameters(
    layer: ConvLayer, order: tuple[int, int, int, int], *, drop_last: bool = False
) -> Parameters:
    weight: NDArray[np.int8] = np.ascontiguousarray(np.transpose(layer.weight, order))
    if drop_last:
        weight = weight[..., 0]
    return Parameters(weight, layer.bias, layer.w_scales.astype(np.float64))


def _output(layer: ConvLayer) -> Quantization:
    return Quantization((layer.y_scale,), layer.y_zero)
