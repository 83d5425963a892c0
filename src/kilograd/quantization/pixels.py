"""What the pixels of an image are for a network.

A quantized network reads pixels that go from one number to another, the same ones for all channels.
A network that was trained on other numbers for each channel gets a depthwise layer of one tap in
front, which makes them of -1 to 1.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilograd.errors import DataError
from kilograd.frontend.onnx.maps import Map

#: What the layer is called.
LAYER = "pixels"

#: What pixels are before the layer.
_LOW, _HIGH = -1.0, 1.0


@dataclass(frozen=True)
class PixelRange:
    """The numbers that the darkest and the brightest pixel stand for.

    Attributes:
        low: for the pixel 0: one number for all channels, or one for each.
        high: for the pixel 255, likewise.

    Raises:
        DataError: when they are not so many finite numbers, the lower one first.
    """

    low: tuple[float, ...] = (_LOW,)
    high: tuple[float, ...] = (_HIGH,)

    def __post_init__(self) -> None:
        pairs = list(zip(self.low, self.high, strict=False))
        is_whole = bool(pairs) and len(self.low) == len(self.high)
        if not is_whole or not all(
            math.isfinite(low) and math.isfinite(high) and low < high for low, high in pairs
        ):
            raise DataError(
                f"pixels cannot stand for {self}: each channel needs two finite numbers, the lower "
                "one first"
            )

    @classmethod
    def parse(cls, text: str) -> PixelRange:
        """The range that a text names: low, high; or low, high of each channel.

        Raises:
            DataError: when it names none.
        """
        try:
            numbers = tuple(float(part) for part in text.split(","))
        except ValueError as error:
            raise DataError(
                f"{text!r} is not a range of two numbers", hint="write -1,1 or 0,1"
            ) from error
        return cls(numbers[::2], numbers[1::2])

    def __str__(self) -> str:
        pairs = zip(self.low, self.high, strict=False)
        return ",".join(f"{low:g},{high:g}" for low, high in pairs) or "nothing"

    @property
    def is_uniform(self) -> bool:
        """Whether it is the same for all channels."""
        return len(set(zip(self.low, self.high, strict=True))) == 1

    @property
    def read(self) -> tuple[float, float]:
        """What the pixels are for the quantized network, behind the layer if there is one."""
        return (self.low[0], self.high[0]) if self.is_uniform else (_LOW, _HIGH)

    def check(self, map_: Map) -> None:
        """Refuse to be that of a network whose input does not have so many channels.

        Raises:
            DataError: for such an input.
        """
        is_image = len(map_.shape) == 4  # noqa: PLR2004 - batch, channels, height, width
        if not is_image or len(self.low) not in {1, map_.channels}:
            raise DataError(
                f"pixels stand for {self}, and the network reads {list(map_.shape)}",
                hint="give two numbers, or two for each channel",
            )

    def put_before(self, model: Any, map_: Map) -> None:
        """Make the layer the first one of a network; its input keeps its name.

        Args:
            model: ``onnx.ModelProto``, which is changed.
            map_: what it reads.

        Raises:
            DataError: when the range does not suit the input.
        """
        self.check(map_)
        helper: Any = importlib.import_module("onnx.helper")
        numpy_helper: Any = importlib.import_module("onnx.numpy_helper")
        name = str(model.graph.input[0].name)
        for node in model.graph.node:
            for place, given in enumerate(node.input):
                if given == name:
                    node.input[place] = f"{LAYER}.result"
        low, high = (np.resize(ends, map_.channels) for ends in (self.low, self.high))
        weight = ((high - low) / (_HIGH - _LOW)).astype(np.float32)[:, None, None, None]
        bias = ((high + low) / 2).astype(np.float32)
        first, last = (0, 3, 1, 2), (0, 2, 3, 1)
        begin, end = name, f"{LAYER}.result"
        nodes: list[Any] = []
        if map_.is_channels_last:
            begin, end = f"{LAYER}.first", f"{LAYER}.affine"
            nodes.append(helper.make_node("Transpose", [name], [begin], perm=first))
        reads = [begin, f"{LAYER}.weight", f"{LAYER}.bias"]
        nodes.append(helper.make_node("Conv", reads, [end], f"node_{LAYER}", group=map_.channels))
        if map_.is_channels_last:
            nodes.append(helper.make_node("Transpose", [end], [f"{LAYER}.result"], perm=last))
        rest = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend([*nodes, *rest])
        model.graph.initializer.extend(
            numpy_helper.from_array(data, f"{LAYER}.{what}")
            for what, data in (("weight", weight), ("bias", bias))
        )
