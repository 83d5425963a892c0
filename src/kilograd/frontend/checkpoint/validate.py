"""From the plain values of a checkpoint file to checked layers.

A checkpoint is a dict of first_conv, blocks, feature_mix and classifier. Layers are read in the
order they run in; each must continue the map that the one before it left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np

from kilograd.errors import ModelError
from kilograd.frontend.checkpoint.archive import HINT, StoredArray, quoted
from kilograd.frontend.checkpoint.layers import Block, Checkpoint, ConvLayer, Residual

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_BLOCKS = 1024
_MAX_SIZE = 65536
_MAX_KERNEL = 31
_SCALE_TOLERANCE = 1e-6

_QUANTIZATION = ("x_scale", "x_zero", "y_scale", "y_zero")
_LAYER_KEYS = ("pointwise1", "depthwise", "pointwise2")
_CONV_KEYS = ("in_channel", "out_channel", "kernel_size", "stride", "groups", "params")
_MAP_KEYS = ("in_shape", "out_shape", "depthwise", "act")


@dataclass(frozen=True)
class _Map:
    """An activation between two layers: its channels, its height and width, its quantization."""

    channels: int
    size: int
    scale: float
    zero: int


@dataclass(frozen=True)
class _Fields:
    """A dict of the checkpoint, with the file and the path to it for messages."""

    values: dict[str, object]
    file: Path
    at: str

    def fail(self, what: str, *, hint: str = HINT) -> NoReturn:
        raise ModelError(what, where=f"{self.file}: {self.at}", hint=hint)

    def expect(self, required: Collection[str], optional: Collection[str] = ()) -> None:
        """Refuses missing and unknown keys: an unknown one may change what the layer computes."""
        missing = [key for key in required if key not in self.values]
        if missing:
            self.fail(f"the field {missing[0]!r} is missing")
        unknown = [key for key in self.values if key not in required and key not in optional]
        if unknown:
            self.fail(f"the field {quoted(unknown[0])} is not known")

    def fields(self, key: str) -> _Fields:
        return as_fields(self.values[key], self.file, f"{self.at}.{key}")

    def has(self, key: str) -> bool:
        return self.values.get(key) is not None

    def integer(self, key: str, low: int, high: int) -> int:
        return self._integer(key, self.values[key], low, high)

    def _integer(self, key: str, value: object, low: int, high: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(f"{key} is of type {type(value).__name__} instead of int")
        if not low <= value <= high:
            self.fail(f"{key} is {value}, outside {low}..{high}")
        return value

    def scale(self, key: str) -> float:
        value = self.values[key]
        if not isinstance(value, float):
            self.fail(f"{key} is of type {type(value).__name__} instead of float")
        if not (math.isfinite(value) and value > 0):
            self.fail(f"{key} is {value}, not a finite number above 0")
        return value

    def kernel(self) -> tuple[int, int]:
        value = self.values["kernel_size"]
        items = cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()
        sides = [self._integer("kernel_size", item, 1, _MAX_KERNEL) for item in items[:3]]
        if len(sides) != 2 or any(side % 2 == 0 for side in sides):  # noqa: PLR2004  height, width
            self.fail("kernel_size is not a tuple of two odd numbers")
        return sides[0], sides[1]

    def array(self, key: str, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
        value = self.values[key]
        if not isinstance(value, StoredArray) or value.values is None:
            self.fail(f"{key} is of type {type(value).__name__} instead of an array")
        array = value.values
        if array.dtype != dtype:
            self.fail(f"{key} has dtype {array.dtype} instead of {np.dtype(dtype)}")
        if array.shape != shape:
            self.fail(f"{key} has shape {array.shape} instead of {shape}")
        return array


def as_fields(value: object, file: Path, at: str) -> _Fields:
    """Wraps a dict of the checkpoint; anything else is a `ModelError`."""
    if not isinstance(value, dict):
        what = f"found {type(value).__name__} instead of a dict of fields"
        raise ModelError(what, where=f"{file}: {at}", hint=HINT)
    return _Fields(cast("dict[str, object]", value), file, at)


def validate(tree: object, path: Path) -> Checkpoint:
    """Checks every field of an unpacked checkpoint and builds its layers.

    Args:
        tree: what `read_archive` returned.
        path: the file, for messages; its stem becomes the name.

    Raises:
        ModelError: names the file, the layer and the field that is wrong.
    """
    root = as_fields(tree, path, "checkpoint")
    root.expect(("first_conv", "blocks", "classifier"), ("feature_mix",))
    first = root.fields("first_conv")
    first.expect((*_CONV_KEYS, "in_shape"), _MAP_KEYS)
    params = first.fields("params")
    params.expect((*_QUANTIZATION, "weight", "bias", "w_scales"))
    image = _Map(
        first.integer("in_channel", 1, _MAX_SIZE),
        first.integer("in_shape", 1, _MAX_SIZE),
        params.scale("x_scale"),
        params.integer("x_zero", -128, 127),
    )
    first_conv, current = _conv(first, image, role="first_conv")
    blocks: list[Block] = []
    for index, item in enumerate(_block_list(root)):
        fields = as_fields(item, path, f"blocks[{index}]")
        block, current = _block(fields, current)
        blocks.append(block)
    feature_mix = None
    if root.has("feature_mix"):
        feature_mix, current = _conv(root.fields("feature_mix"), current, role="feature_mix")
    pooled = _Map(current.channels, 1, current.scale, current.zero)
    classifier, _ = _conv(root.fields("classifier"), pooled, role="classifier")
    return Checkpoint(path.stem, image.size, first_conv, tuple(blocks), feature_mix, classifier)


def _block_list(root: _Fields) -> list[object]:
    value = root.values["blocks"]
    if not isinstance(value, list):
        root.fail(f"blocks is of type {type(value).__name__} instead of list")
    blocks = cast("list[object]", value)
    if not 1 <= len(blocks) <= _MAX_BLOCKS:
        root.fail(f"there are {len(blocks)} blocks, outside 1..{_MAX_BLOCKS}")
    return blocks


def _block(fields: _Fields, entry: _Map) -> tuple[Block, _Map]:
    fields.expect((), (*_LAYER_KEYS, "residual", "se"))
    if fields.has("se"):
        fields.fail(
            "squeeze-and-excitation is not supported",
            hint="use a network without it, such as mcunet-5fps",
        )
    current = entry
    layers: dict[str, ConvLayer | None] = dict.fromkeys(_LAYER_KEYS)
    for key in _LAYER_KEYS:
        if fields.has(key):
            layers[key], current = _conv(fields.fields(key), current, role=key)
    if not any(layers.values()):
        fields.fail("the block has no convolution")
    residual = None
    if fields.has("residual"):
        residual, current = _residual(fields.fields("residual"), entry, current)
    return Block(**layers, residual=residual), current


def _residual(fields: _Fields, entry: _Map, branch: _Map) -> tuple[Residual, _Map]:
    fields.expect(("in_channel", "params"), ("in_shape",))
    params = fields.fields("params")
    params.expect(_QUANTIZATION)
    channels = fields.integer("in_channel", 1, _MAX_SIZE)
    if (entry.channels, entry.size) != (branch.channels, branch.size):
        fields.fail(
            f"it adds {entry.channels} channels of {entry.size}x{entry.size} "
            f"to {branch.channels} channels of {branch.size}x{branch.size}"
        )
    _check_continues(fields, params, entry, channels)
    scale, zero = params.scale("y_scale"), params.integer("y_zero", -128, 127)
    residual = Residual(channels, entry.scale, entry.zero, scale, zero)
    return residual, _Map(channels, branch.size, scale, zero)


def _check_continues(fields: _Fields, params: _Fields, entry: _Map, channels: int) -> None:
    """Refuses a layer that does not take up the map it is given."""
    if channels != entry.channels:
        fields.fail(f"in_channel is {channels} but the layer before it gives {entry.channels}")
    if "in_shape" in fields.values:
        size = fields.integer("in_shape", 1, _MAX_SIZE)
        if size != entry.size:
            fields.fail(f"in_shape is {size} but the layer before it gives {entry.size}")
    scale, zero = params.scale("x_scale"), params.integer("x_zero", -128, 127)
    if zero != entry.zero or not math.isclose(scale, entry.scale, rel_tol=_SCALE_TOLERANCE):
        fields.fail(
            f"its input quantization is (scale {scale}, zero {zero}) but the layer before it "
            f"gives (scale {entry.scale}, zero {entry.zero})"
        )


def _conv(fields: _Fields, entry: _Map, *, role: str) -> tuple[ConvLayer, _Map]:
    fields.expect(_CONV_KEYS, _MAP_KEYS)
    params = fields.fields("params")
    params.expect((*_QUANTIZATION, "weight", "bias", "w_scales"))
    in_channels = fields.integer("in_channel", 1, _MAX_SIZE)
    out_channels = fields.integer("out_channel", 1, _MAX_SIZE)
    kernel = fields.kernel()
    stride = fields.integer("stride", 1, max(kernel))
    groups = fields.integer("groups", 1, _MAX_SIZE)
    _check_continues(fields, params, entry, in_channels)
    _check_role(fields, role, kernel)
    out_size = -(-entry.size // stride)
    if "out_shape" in fields.values:
        stored = fields.integer("out_shape", 1, _MAX_SIZE)
        if stored != out_size:
            fields.fail(f"out_shape is {stored} but stride {stride} gives {out_size}")
    layer = ConvLayer(
        in_channels=in_channels,
        out_channels=out_channels,
        kernel=kernel,
        stride=stride,
        groups=groups,
        weight=params.array("weight", np.int8, (out_channels, in_channels // groups, *kernel)),
        bias=params.array("bias", np.int32, (out_channels,)),
        # The predecessor's scale: equal to the stored one, and one tensor has one scale.
        x_scale=entry.scale,
        x_zero=entry.zero,
        y_scale=params.scale("y_scale"),
        y_zero=params.integer("y_zero", -128, 127),
        w_scales=params.array("w_scales", np.float32, (out_channels,)),
    )
    if layer.weight.min() < -127:  # noqa: PLR2004  the quantizer that made these is symmetric
        params.fail("weight holds -128; int8 weights are in -127..127")
    if not (np.isfinite(layer.w_scales) & (layer.w_scales > 0)).all():
        params.fail("w_scales holds a number that is not finite and above 0")
    return layer, _Map(out_channels, out_size, layer.y_scale, layer.y_zero)


def _check_role(fields: _Fields, role: str, kernel: tuple[int, int]) -> None:
    """Refuses a convolution that its place in the network does not allow."""
    values = fields.values
    depthwise = role == "depthwise"
    if depthwise and not values["groups"] == values["in_channel"] == values["out_channel"]:
        fields.fail(
            f"a depthwise convolution has as many groups as channels, not {values['groups']} "
            f"groups for {values['in_channel']} in and {values['out_channel']} out"
        )
    if not depthwise and values["groups"] != 1:
        fields.fail(f"groups is {values['groups']}; only depthwise convolutions are grouped")
    spatial = depthwise or role == "first_conv"
    if not spatial and (kernel != (1, 1) or values["stride"] != 1):
        fields.fail("a pointwise convolution has kernel_size (1, 1) and stride 1")
    if fields.has("act"):
        fields.fail("act is set; the activation must be folded into the output range")
    if values.get("depthwise", depthwise) is not depthwise:
        fields.fail(f"depthwise is not {depthwise}")
