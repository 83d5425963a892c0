"""Weights, biases and scales of a layer, checked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.builder import Parameters
from kilograd.frontend.lowering.quantization import scale_of_float32_product
from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.network import Network, Tensor

#: Weights of all layers; those of one file can be shared by many.
_MAX_WEIGHTS = 256 * 1024**2


class ParameterReader:
    """Reads the parameters of one network's layers."""

    def __init__(self, network: Network, refuser: Refuser) -> None:
        self._network = network
        self._refuser = refuser
        self._unread = _MAX_WEIGHTS

    def weight(self, number: int, *, rank: int) -> NDArray[np.int8]:
        """The weight of a layer in the file's order.

        Raises:
            ModelError: when it is not a constant of int8 with so many dimensions.
        """
        tensor = self._input(number, 1)
        if tensor is None or tensor.data is None:
            if tensor is not None and tensor.dtype != "int8":
                raise self._refuser.dtype(number, "weight", tensor.dtype)
            raise self._refuser.layer(number, "its weight is not a constant")
        if tensor.dtype != "int8":
            raise self._refuser.dtype(number, "weight", tensor.dtype)
        if any(tensor.zero_points):
            raise self._refuser.layer(
                number,
                "its weight has a zero point, and kilograd's weights are symmetric",
                self._network.advice.unsigned,
            )
        if len(tensor.shape) != rank or not tensor.data.size:
            raise self._refuser.layer(number, f"its weight has the shape {list(tensor.shape)}")
        self.count(number, tensor.data.size)
        return tensor.data

    def count(self, number: int, weights: int) -> None:
        """Note that a layer takes so many weights.

        Raises:
            ModelError: when the layers take more than any device can hold.
        """
        self._unread -= weights
        if self._unread < 0:
            raise self._refuser.layer(
                number, f"the layers up to this one have more than {_MAX_WEIGHTS:,} weights"
            )

    def read(self, number: int, weight: NDArray[np.int8], axis: int) -> Parameters:
        """The parameters of a layer.

        Args:
            number: of the layer.
            weight: in the order in which kilograd has it.
            axis: of the file's weight along which the channels of the result lie.

        Raises:
            ModelError: when kilograd has no such weights, or a bias or scales do not fit.
        """
        tensor = self._input(number, 1)
        outputs = tensor.shape[axis] if tensor is not None else 0
        return Parameters(
            np.ascontiguousarray(weight),
            self._bias(number, outputs),
            self._scales(number, outputs, axis),
        )

    def _input(self, number: int, place: int) -> Tensor | None:
        inputs = self._network.layers[number].inputs
        is_given = place < len(inputs) and inputs[place] >= 0
        return self._network.tensors[inputs[place]] if is_given else None

    def _bias(self, number: int, outputs: int) -> NDArray[np.int32]:
        tensor = self._input(number, 2)
        if tensor is None:
            return np.zeros(outputs, np.int32)
        if tensor.dtype != "int32" or tensor.data is None or tensor.data.size != outputs:
            raise self._refuser.layer(
                number,
                f"its bias must be a constant of {outputs} int32 numbers, and it is {tensor.dtype} "
                f"of the shape {list(tensor.shape)}",
            )
        return np.array(tensor.data.ravel(), np.int32)

    def _scales(self, number: int, outputs: int, axis: int) -> NDArray[np.float64]:
        layer = self._network.layers[number]
        tensor: Any = self._input(number, 1)
        scales = np.array(tensor.scales, np.float64)
        if len(scales) not in {1, outputs} or (len(scales) > 1 and tensor.axis != axis):
            raise self._refuser.layer(
                number,
                f"its weight has {len(scales)} scales along dimension {tensor.axis}, and kilograd "
                f"needs one, or one for each of the {outputs} channels of the result",
            )
        if layer.options.get("has_float32_product"):
            given = self._network.tensors[layer.inputs[0]].scales[0]
            scales = np.array([scale_of_float32_product(given, float(scales[0]))])
        if not all(math.isfinite(scale) and scale > 0 for scale in scales):
            raise self._refuser.layer(number, "its weight has a scale that is not positive")
        return np.resize(scales, outputs)
