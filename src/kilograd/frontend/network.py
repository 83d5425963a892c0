"""A network as its file describes it: what every file format is read into.

A reader checks that a file is sound; ``kilograd.frontend.lowering`` decides what can be carried.
Maps are [batch, height, width, channels]. What a layer reads beside its map, and its options:

=============== ================================ ==============================================
operator        further inputs                   options
=============== ================================ ==============================================
conv            weight [O, kh, kw, I], bias      strides, dilations, pads
depthwise       weight [1, kh, kw, C · m], bias  strides, dilations, pads
transpose_conv  weight [O, kh, kw, I], bias      strides, from a position to the next; pads, of
                                                 the map with zeros between and behind them
dense           weight [O, I], bias              has_float32_product, weights_format
average_pool,   none                             strides, pads, window
max_pool
pad             what a format has                pads, of every axis; absent if not constant;
                                                 fill, a stored number; absent for zero points
border          what a format has                pads, of every axis; kind, as of the operator
crop            what a format has                crops, of every axis; absent if not constant;
                                                 dropped, axes that are no longer there; steps, of
                                                 every axis, where not every element is taken
resize          what a format has                repeats, of rows and columns; absent where these
                                                 are not repeated a whole number of times
tile            what a format has                counts, of every axis; absent if not constant
mean, maximum   what a format has                axes; absent if not constant
transpose       what a format has                order; absent if not constant
reshape         what a format has                none: the shapes of the tensors say it
concatenate     further maps                     axis
depth_to_space, none                             block
space_to_depth
channel_slice   what a format has                first, count
channel_shuffle none                             groups
add, multiply,  another map, or a constant       none
subtract
smaller, larger another map, or a constant       none
lookup,         none                             function
logistic
prelu           a constant: the slopes           none
=============== ================================ ==============================================

``strides``, ``dilations`` and ``window`` are (vertical, horizontal). ``pads`` are (before, after)
of one axis after the other: for windows those of height and width, so top, bottom, left, right.
``crops`` are likewise how much is taken off, and ``dropped`` counts axes with the batch.
``has_float32_product`` says that the scale of a dense layer's accumulator is the product of the
scales of map and weight rounded to float32. ``weights_format`` is absent for the plain order.
``function`` is a ``Tabulated``. ``is_kept`` of what moves elements or changes a shape says that
samples come without it, even where it is the first layer.

Other operators have neutral names too where several formats know them, or lowering knows more of
them than that they cannot be carried: reshape, softmax, log_softmax, arg_max, quantize, dequantize,
space_to_batch, batch_to_space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from kilograd.ops.lookup.functions import Function

#: Largest extent of a map, to refuse what no device can hold before it is built.
MOST_EXTENT = 65536


@dataclass(frozen=True)
class Tabulated:
    """A function of one number, as a layer computes it for each int8 input.

    Attributes:
        function: of real numbers.
        table: the results that the format's framework makes of the inputs from -128 up; empty where
            it refuses the quantization of input or result, None where it rounds to nearest.
    """

    function: Function
    table: tuple[int, ...] | None = None


Option = int | float | str | bool | tuple[int, ...] | Tabulated


@dataclass(frozen=True)
class Tensor:
    """What a layer reads or makes.

    Attributes:
        name: as the file has it; may be empty, and need not be unique.
        shape: with the batch.
        dtype: NumPy's name of the element type, or the file's where NumPy has none.
        scales: of the quantization; empty for tensors that are not quantized.
        zero_points: none, one, or as many as scales.
        axis: along which several scales lie.
        data: contents of a constant, else None.
        is_open: whether the file leaves an extent open other than the batch; the shape then has
            some number in its place.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    data: NDArray[Any] | None = field(default=None, repr=False)
    is_open: bool = False

    @property
    def zero_point(self) -> int:
        """Of a tensor that has one, or none."""
        return self.zero_points[0] if self.zero_points else 0


@dataclass(frozen=True)
class Layer:
    """One operator applied to tensors.

    Attributes:
        operator: neutral name, or the file's own for what has none.
        inputs: numbers of tensors; -1 for one that is left out.
        outputs: numbers of tensors.
        activation: fused into the result: none, relu, relu6, relu_n1_to_1, or the file's name.
        options: see above.
        file_operator: what the file calls the operator; messages use it.
    """

    operator: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: str
    options: Mapping[str, Option]
    file_operator: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))

    def pair(self, option: str) -> tuple[int, int]:
        """An option of two numbers, such as strides."""
        first, second = self.numbers(option)
        return first, second

    def numbers(self, option: str) -> tuple[int, ...]:
        """An option that is a tuple."""
        value = self.options[option]
        if not isinstance(value, tuple):
            msg = f"{option} of {self.file_operator} is {value!r}, not a tuple"
            raise TypeError(msg)
        return value


@dataclass(frozen=True)
class Advice:
    """What the user of a file format can do about what is refused; for hints.

    Attributes:
        int8: to have maps and weights in int8.
        unsigned: to have them in int8 instead of uint8.
    """

    int8: str = "quantize the maps and the weights to int8"
    unsigned: str = "quantize the maps and the weights to int8"


@dataclass(frozen=True)
class Network:
    """Layers in an order in which they can run.

    Attributes:
        name: of the model.
        tensors: layers know them by their place here.
        layers: in order.
        inputs: numbers of the tensors that a sample is put into.
        outputs: numbers of the tensors that hold the result.
        advice: of the file's format.
        pixel_range: real values that the darkest and the brightest pixel of an image stand for,
            where the file says so.
    """

    name: str
    tensors: tuple[Tensor, ...]
    layers: tuple[Layer, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    advice: Advice = Advice()
    pixel_range: tuple[float, ...] | None = None
