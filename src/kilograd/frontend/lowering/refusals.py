"""What kilograd cannot carry, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from kilograd.errors import ModelError
from kilograd.frontend.lowering.names import layer_name
from kilograd.frontend.network import Advice, Network


@dataclass(frozen=True)
class Refusal:
    """Why something cannot be carried, and what helps: a text, or one of the format's advice."""

    reason: str
    hint: str | Callable[[Advice], str] | None = None


#: By the neutral name of an operator, or the file's.
_OPERATORS: Mapping[str, Refusal] = {
    "dequantize": Refusal(
        "its result is float32, and kilograd computes with int8", attrgetter("int8")
    ),
    "softmax": Refusal("a softmax can only follow the last layer"),
    "log_softmax": Refusal("a softmax can only follow the last layer"),
    "logistic": Refusal("a sigmoid can only follow the last layer"),
    "resize": Refusal(
        "kilograd resizes no maps within a network but by repeating each row or column a whole "
        "number of times"
    ),
    "tile": Refusal("kilograd repeats the rows and columns of a map, one by one, and nothing else"),
    "space_to_batch": Refusal(
        "it takes a map apart, and only where convolutions by single steps follow and the map is "
        "put together again, they become dilated ones"
    ),
    "transpose": Refusal(
        "kilograd reorders the dimensions of a map in a constant order, and never the batch"
    ),
    "SVDF": Refusal("kilograd has no recurrent layers, and this one keeps a state"),
    **dict.fromkeys(
        (
            "LSTM",
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            "BIDIRECTIONAL_SEQUENCE_LSTM",
            "RNN",
            "UNIDIRECTIONAL_SEQUENCE_RNN",
            "BIDIRECTIONAL_SEQUENCE_RNN",
        ),
        Refusal("kilograd has no recurrent layers"),
    ),
}

_FLOAT = Refusal("and kilograd computes with int8", attrgetter("int8"))

#: By the element type of a map or a weight.
_TYPES: Mapping[str, Refusal] = {
    "float32": _FLOAT,
    "float16": _FLOAT,
    "int16": _FLOAT,
    "uint8": Refusal(
        "as networks were quantized before 2019, and kilograd computes with int8",
        attrgetter("unsigned"),
    ),
    "hybrid": Refusal(
        "though its weight is int8 (dynamic range quantization), and kilograd computes with int8 "
        "throughout",
        attrgetter("int8"),
    ),
}


class Refuser:
    """Makes the errors about one network.

    Args:
        network: whose layers are refused.
        where: its file.
    """

    def __init__(self, network: Network, where: str) -> None:
        self._network = network
        self._where = where

    def network(self, reason: str, hint: str | None = None) -> ModelError:
        """The network as a whole."""
        return ModelError(reason, where=self._where, hint=hint)

    def layer(
        self, number: int, reason: str, hint: str | Callable[[Advice], str] | None = None
    ) -> ModelError:
        """One layer, for a reason."""
        layer = self._network.layers[number]
        name = layer_name(self._network.tensors[layer.outputs[0]].name) if layer.outputs else ""
        title = f"{layer.file_operator}, {name}" if name else layer.file_operator
        advice = hint(self._network.advice) if callable(hint) else hint
        return ModelError(f"layer {number} ({title}): {reason}", where=self._where, hint=advice)

    def operator(self, number: int) -> ModelError:
        """A layer for its operator."""
        operator = self._network.layers[number].operator
        refusal = _OPERATORS.get(operator, Refusal("kilograd has no such operator"))
        return self.layer(number, refusal.reason, refusal.hint)

    def dtype(self, number: int, what: str, dtype: str) -> ModelError:
        """A layer for an element type, or for a float32 map beside an int8 weight ("hybrid")."""
        refusal = _TYPES.get(dtype, Refusal("and kilograd computes with int8"))
        given = "float32" if dtype == "hybrid" else dtype
        return self.layer(number, f"its {what} is {given}, {refusal.reason}", refusal.hint)

    def reshaped(self, number: int, made: Sequence[int], stated: Sequence[int]) -> ModelError:
        """A layer that reads or makes a map as a tensor of another shape."""
        extents = "×".join(map(str, made))
        return self.layer(
            number,
            f"it reads a map of {extents} in another shape, {list(stated)}, and kilograd does not "
            "reshape maps",
        )

    def padding(self, number: int, window: Sequence[int], pads: Sequence[int]) -> ModelError:
        """A window whose padding is as large as itself."""
        top, bottom, left, right = pads
        return self.layer(
            number,
            f"its {window[0]}×{window[1]} window has padding of {top}, {bottom}, {left} and "
            f"{right} (top, bottom, left, right), and padding must be smaller than the window",
        )
