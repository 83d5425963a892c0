"""Layers that make each element from one element of their map, or of each of two."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.lowering.dimensions import flattened_in_place, in_place
from kilograd.frontend.lowering.quantization import INT8_RANGE, clamp_function
from kilograd.frontend.lowering.reading import quantization_of
from kilograd.frontend.lowering.repeats import RepeatBuilder
from kilograd.frontend.network import Layer, Tabulated
from kilograd.ir import DType, Node, Quantization, TensorType
from kilograd.ops import REGISTRY
from kilograd.ops.add.op import AddAttributes
from kilograd.ops.lookup.functions import Function
from kilograd.ops.lookup.op import LookupAttributes
from kilograd.ops.lookup.tables import INPUTS
from kilograd.ops.multiply.op import MultiplyAttributes
from kilograd.ops.offset import OffsetAttributes, difference_table, offset_terms
from kilograd.ops.requantize.op import RequantizeAttributes
from kilograd.ops.spec import StepContext


class ElementwiseBuilder(RepeatBuilder):
    """Builds sums, products, functions of one number, and changes of scale."""

    def _add(self, number: int, layer: Layer) -> str:
        """Two maps; with a constant number, a function of one."""
        found = self._constant(number, layer)
        output = self._quantization(number)
        if found is None:
            a, b = self._alike(number, layer, *self._read_alike(number, layer, 0, 1))
            return self._builder.add(self._name(number), a, b, output)
        place, constant, given = found
        (x,) = self._read_alike(number, layer, 1 - place)
        if constant.size == 1:
            function = Function("linear", (1.0, _real(constant, given)))
            table = self._table("add", AddAttributes(output), x, *_everywhere(constant, given))
            return self._builder.lookup(self._name(number), x, function, output, table)
        return self._offset(number, layer, found, subtracts=False)

    def _subtract(self, number: int, layer: Layer) -> str:
        """A map from a map; a constant from a map, or a map from a constant number."""
        found = self._constant(number, layer)
        output = self._quantization(number)
        if found is None:
            a, b = self._alike(number, layer, *self._read_alike(number, layer, 0, 1))
            return self._builder.subtract(self._name(number), a, b, output)
        place, constant, given = found
        (x,) = self._read_alike(number, layer, 1 - place)
        if place == 1:
            return self._offset(number, layer, found, subtracts=True)
        if constant.size > 1:
            terms = self._constant_map(number, layer, found)
            return self._builder.subtract(self._name(number), terms, x, output)
        table = difference_table(constant, given, self._builder.type_of(x).quantized(), output)
        function = Function("linear", (-1.0, _real(constant, given)))
        return self._builder.lookup(self._name(number), x, function, output, table)

    def _offset(
        self,
        number: int,
        layer: Layer,
        found: tuple[int, NDArray[np.int8], Quantization],
        *,
        subtracts: bool,
    ) -> str:
        """A map and a constant for each of its channels, or for each row, column or element."""
        place, constant, given = found
        (x,) = self._read_alike(number, layer, 1 - place)
        type_ = self._builder.type_of(x)
        channels = type_.shape[2]
        if self._placed(number, layer, 1 - place, constant).shape not in {
            (1, 1, channels),
            (1, 1, 1),
        }:
            terms, output = self._constant_map(number, layer, found), self._quantization(number)
            append = self._builder.subtract if subtracts else self._builder.add
            return append(self._name(number), x, terms, output)
        constants = np.broadcast_to(constant.ravel(), channels)
        unit, terms = offset_terms(constants, given, type_.quantized(), subtracts=subtracts)
        attributes = OffsetAttributes(self._quantization(number), unit, terms)
        return self._builder.offset(self._name(number), x, attributes)

    def _constant_map(
        self, number: int, layer: Layer, found: tuple[int, NDArray[np.int8], Quantization]
    ) -> str:
        """Constants as a map of the extents of the other input, each where it meets an element."""
        place, constant, given = found
        (x,) = self._read_alike(number, layer, 1 - place)
        shape = self._builder.type_of(x).shape
        placed = self._placed(number, layer, 1 - place, constant)
        self._check_spread(number, layer)
        if any(1 != extent != most for extent, most in zip(placed.shape, shape, strict=True)):
            raise self._refuser.layer(
                number,
                f"its constant has the shape {list(constant.shape)}, which does not fit a map of "
                f"{list(shape)}",
            )
        name = self._result(number).name
        data = np.ascontiguousarray(np.broadcast_to(placed, shape))
        return self._builder.constant(self._names.choose(f"{name}_terms", "terms"), data, given)

    def _multiply(self, number: int, layer: Layer) -> str:
        """Two maps, or a map and constants; with one constant, a function of one number."""
        found = self._constant(number, layer)
        output = self._quantization(number)
        if found is None:
            a, b = self._factors(number, layer, *self._read_alike(number, layer, 0, 1))
            gated = self._gated(a, b) or self._gated(b, a)
            if gated is None:
                return self._builder.multiply(self._name(number), a, b, output)
            function, gate = gated
            x = a if gate.inputs == (a,) else b
            type_ = TensorType((1, 1, len(INPUTS)), DType.INT8, gate.attributes.output)
            results = np.array(gate.attributes.table, np.int8)
            table = self._table("multiply", MultiplyAttributes(output), x, results, type_)
            return self._builder.lookup(self._name(number), x, function, output, table)
        place, constant, given = found
        (x,) = self._read_alike(number, layer, 1 - place)
        if constant.size == 1:
            function = Function("linear", (_real(constant, given), 0.0))
            attributes = MultiplyAttributes(output)
            table = self._table("multiply", attributes, x, *_everywhere(constant, given))
            return self._builder.lookup(self._name(number), x, function, output, table)
        self._check_spread(number, layer)
        name = self._name(number)
        placed = self._placed(number, layer, 1 - place, constant)
        if placed.shape[:2] != (1, 1) or placed.shape[2] == 1:
            factors = self._constant_map(number, layer, found)
        else:
            factors = self._builder.constant(f"{name}.factors", placed, given)
        return self._builder.multiply(name, x, factors, output)

    def _factors(self, number: int, layer: Layer, a: str, b: str) -> tuple[str, str]:
        """Two maps whose product is taken: alike, or the second has one factor a channel."""
        shapes = [self._builder.type_of(x).shape for x in (a, b)]
        if shapes[0] != shapes[1]:
            for x, factors in ((0, 1), (1, 0)):
                if shapes[factors] == (1, 1, shapes[x][2]):
                    self._check_spread(number, layer)
                    return (a, b) if factors else (b, a)
            return self._alike(number, layer, a, b)
        self._check_spread(number, layer)
        return a, b

    def _gated(self, x: str, gate: str) -> tuple[Function, Node] | None:
        """A function that a map times a function of it is, and the node that makes the latter.

        Both are functions of one byte, so that a table has the bytes of the two layers.
        """
        node = self._builder.producer(gate)
        if node is None or node.inputs != (x,):
            return None
        known: object = getattr(node.attributes, "function", None)
        if known == Function("logistic"):
            return Function("swish"), node
        if isinstance(known, Function) and known.name == "hard_sigmoid":
            alpha, beta = known.parameters
            if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5:  # noqa: PLR2004
                return Function("hard_swish"), node
        return None

    def _check_spread(self, number: int, layer: Layer) -> None:
        """Refuse maps that are not multiplied as they lie in memory."""
        for place, tensor in enumerate(layer.inputs[:2]):
            if tensor not in self.values:
                continue
            tensors = self._tensor(layer, place), self._tensor(layer, 1 - place)
            stated, made = tensors[0].shape, self._shape(tensor)
            if self._is_flattened(layer, place) and math.prod(tensors[1].shape) == stated[1]:
                continue
            if len(stated) < len(tensors[1].shape):
                lies = self._placed(number, layer, 1 - place, np.empty(stated, np.int8)).shape
                is_as_stated = lies == made
            else:
                dimensions = self._dimensions(layer, place)
                is_as_stated = stated == (1, *(made[axis] for axis in dimensions))
            if stated != tensors[1].shape and not is_as_stated:
                raise self._refuser.reshaped(number, made, stated)

    def _placed(
        self, number: int, layer: Layer, place: int, constant: NDArray[np.int8]
    ) -> NDArray[np.int8]:
        """Numbers that meet an input's elements, by height, width and channels."""
        dimensions, shape = self._dimensions(layer, place), self._shape(layer.inputs[place])
        rank = len(dimensions) + 1
        if self._is_flattened(layer, place) and constant.size > 1:
            if constant.size == math.prod(shape):
                return flattened_in_place(constant, dimensions, shape)
            rank = 0
        if constant.ndim > rank or (constant.ndim == rank and constant.shape[0] != 1):
            raise self._refuser.layer(
                number,
                f"its constant has the shape {list(constant.shape)}, which does not fit a map of "
                f"the shape {list(self._tensor(layer, place).shape)}",
            )
        return in_place(constant, dimensions)

    def _is_flattened(self, layer: Layer, place: int) -> bool:
        """Whether an input is a vector that was a map of several positions."""
        stated, shape = self._tensor(layer, place).shape, self._shape(layer.inputs[place])
        return stated == (1, math.prod(shape)) != (1, shape[2])

    def _constant(
        self, number: int, layer: Layer
    ) -> tuple[int, NDArray[np.int8], Quantization] | None:
        """The place, contents and quantization of an input that is a constant, if there is one."""
        for place in range(min(len(layer.inputs), 2)):
            if layer.inputs[place] < 0:
                continue
            tensor = self._tensor(layer, place)
            if tensor.data is None or layer.inputs[place] in self.values:
                continue
            quantization = quantization_of(tensor)
            if quantization is None:
                raise self._refuser.layer(
                    number, f"its input {place}, a constant, needs one scale and zero point of int8"
                )
            return place, tensor.data.astype(np.int8), quantization
        return None

    def _table(
        self, operator: str, attributes: object, x: str, others: NDArray[np.int8], other: TensorType
    ) -> tuple[int, ...]:
        """What an operator of two maps makes of every number, and of another beside each."""
        types = [replace(other, quantization=self._builder.type_of(x).quantized()), other]
        arrays = [INPUTS.astype(np.int8).reshape(other.shape), others.reshape(other.shape)]
        try:
            (made,) = REGISTRY[operator].reference(attributes, types, arrays, StepContext())
        except ValueError as error:
            raise self._refuser.network(f"the layer behind {x}: {error}") from error
        return tuple(int(entry) for entry in made.ravel())

    def _bounded(self, number: int, layer: Layer) -> str:
        """The smaller or the larger of each element and a constant number, as they are stored."""
        found, which = self._constant(number, layer), layer.operator
        leaky = self._leaky(number, layer) if found is None and which == "larger" else None
        if leaky is not None:
            return leaky
        if found is None:
            return self._extremum(number, layer, is_larger=which == "larger")
        if found[1].size > 1:
            raise self._refuser.layer(
                number,
                f"it takes the {which} of elements and several constants, and kilograd takes that "
                "of two maps, or of an element and one constant number",
            )
        place, constant, given = found
        (x,), output = self._read_alike(number, layer, 1 - place), self._quantization(number)
        if not self._builder.type_of(x).quantized() == given == output:
            raise self._refuser.layer(
                number, "its constant or its result has another scale or zero point than its map"
            )
        bound = int(constant.ravel()[0])
        kept = (-128, bound) if which == "smaller" else (bound, 127)
        low, high = (output.scale * (end - output.zero_point) for end in kept)
        table = tuple(int(entry) for entry in np.clip(INPUTS, *kept))
        return self._builder.lookup(
            self._name(number), x, Function("clip", (low, high)), output, table
        )

    def _extremum(self, number: int, layer: Layer, *, is_larger: bool) -> str:
        """The larger or the smaller of two maps' elements, as they are stored."""
        for place in (0, 1):
            self._check_same_scale(number, layer, place)
        a, b = self._alike(number, layer, *self._read_alike(number, layer, 0, 1))
        return self._builder.extremum(self._name(number), a, b, is_larger=is_larger)

    def _leaky(self, number: int, layer: Layer) -> str | None:
        """The larger of an element and a share of it: a leaky ReLU, by the table of the share."""
        a, b = self._read_alike(number, layer, 0, 1)
        output = self._quantization(number)
        for x, share in ((a, b), (b, a)):
            node = self._builder.producer(share)
            if (
                node is None
                or node.inputs != (x,)
                or not isinstance(node.attributes, LookupAttributes)
            ):
                continue
            known, given = node.attributes.function, self._builder.type_of(x).quantized()
            is_share = (
                known.name == "linear" and 0 < known.parameters[0] < 1 and not known.parameters[1]
            )
            if is_share and given == node.attributes.output == output:
                table = tuple(np.maximum(INPUTS, node.attributes.table).tolist())
                function = Function("leaky_relu", known.parameters[:1])
                return self._builder.lookup(self._name(number), x, function, output, table)
        return None

    def _lookup(self, number: int, layer: Layer) -> str:
        """A function of one number, by the table of the format's framework if it has its own."""
        (x,) = self._read_alike(number, layer, 0)
        output = self._quantization(number)
        stated = layer.options["function"]
        if not isinstance(stated, Tabulated):
            msg = f"function of {layer.file_operator} is {stated!r}, not a Tabulated"
            raise TypeError(msg)
        if stated.table == ():
            raise self._refuser.layer(
                number, "its framework does not compute it with these scales and zero points"
            )
        name = self._name(number)
        return self._builder.lookup(name, x, stated.function, output, stated.table)

    def _prelu(self, number: int, layer: Layer) -> str:
        """What is not negative requantized, and the rest times a slope for each channel or element.

        One of the two is zero everywhere, and their sum exact. With one slope, a table holds both.
        """
        found = self._constant(number, layer)
        if found is None or found[0] != 1:
            raise self._refuser.layer(number, "its slopes are not a constant")
        _, slopes, given = found
        (x,), output = self._read_alike(number, layer, 0), self._quantization(number)
        type_ = self._builder.type_of(x)
        self._check_spread(number, layer)
        name, above = self._name(number), self._above_zero(x, output)
        if np.all(slopes == slopes.ravel()[0]):
            below = self._table(
                "multiply", MultiplyAttributes(output), x, *_everywhere(slopes, given)
            )
            table = np.where(np.less(INPUTS, type_.zero_point), below, above)
            function = Function("leaky_relu", (_real(slopes, given),))
            return self._builder.lookup(name, x, function, output, tuple(table.tolist()))
        parts = [
            self._names.choose(f"{name}_{part}", name) for part in ("above", "below", "sloped")
        ]
        placed = self._placed(number, layer, 0, slopes)
        if placed.shape == (1, 1, type_.shape[2]):
            factors = self._builder.constant(f"{name}.slopes", placed, given)
        else:
            factors = self._constant_map(number, layer, found)
        function = Function("leaky_relu", (0.0,))
        positive = self._builder.lookup(parts[0], x, function, output, above)
        same = type_.quantized()
        negative = self._builder.lookup(parts[1], x, Function("negative_part"), same)
        sloped = self._builder.multiply(parts[2], negative, factors, output)
        return self._builder.add(name, positive, sloped, output)

    def _above_zero(self, x: str, output: Quantization) -> tuple[int, ...]:
        """The table of what becomes of positive numbers, and of zero for all others."""
        given = self._builder.type_of(x).quantized()
        type_ = TensorType((1, 1, len(INPUTS)), DType.INT8, given)
        inputs = np.maximum(INPUTS, given.zero_point).astype(np.int8).reshape(type_.shape)
        attributes = RequantizeAttributes(output)
        (made,) = REGISTRY["requantize"].reference(attributes, [type_], [inputs], StepContext())
        return tuple(int(entry) for entry in made.ravel())

    def _requantize(self, number: int, layer: Layer) -> str:
        (x,) = self._read_alike(number, layer, 0)
        return self._builder.requantize(self._name(number), x, self._quantization(number))

    def _activation(self, number: int, layer: Layer) -> str:
        """A change of scale; a clamp to less than all of int8 follows."""
        if layer.options.get("keeps_scale"):
            self._check_same_scale(number, layer)
            if self._kept(number) != INT8_RANGE:
                return self._read_alike(number, layer, 0)[0]
        return self._requantize(number, layer)

    def _clamped(self, number: int, x: str, kept: tuple[int, int]) -> str:
        """A result of which a layer's activation leaves less than all of int8."""
        activation = self._network.layers[number].activation
        name = self._names.choose(f"{x}_{activation}", activation)
        table = tuple(int(entry) for entry in np.clip(INPUTS, *kept))
        output = self._builder.type_of(x).quantized()
        return self._builder.lookup(name, x, clamp_function(activation), output, table)


def _everywhere(
    constant: NDArray[np.int8], given: Quantization
) -> tuple[NDArray[np.int8], TensorType]:
    """One constant beside every number."""
    type_ = TensorType((1, 1, len(INPUTS)), DType.INT8, given)
    return np.full(type_.shape, constant.ravel()[0], np.int8), type_


def _real(constant: NDArray[np.int8], given: Quantization) -> float:
    return (int(constant.ravel()[0]) - given.zero_point) * given.scale
