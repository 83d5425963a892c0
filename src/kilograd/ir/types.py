"""Types of values: element type, shape, quantization and where the value lives."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DType(str, enum.Enum):
    """Element types a device computes with."""

    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    UINT8 = "uint8"

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return {"int8": 1, "uint8": 1, "int16": 2, "int32": 4}[self.value]

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The NumPy type of one element."""
        return np.dtype(self.value)


class Kind(str, enum.Enum):
    """Where a value lives on the device."""

    INPUT = "input"  # the sample: written into the arena before each call
    CONSTANT = "constant"  # flash
    STATE = "state"  # SRAM, kept from step to step; initial contents in flash
    ACTIVATION = "activation"  # the arena, for as long as a node still reads it


@dataclass(frozen=True, slots=True)
class Quantization:
    """Affine quantization: real = scale · (q − zero_point).

    One scale for the whole tensor, or one for each index of ``axis``.
    """

    scales: tuple[float, ...]
    zero_point: int = 0
    axis: int | None = None

    def __post_init__(self) -> None:
        if not self.scales or any(not (math.isfinite(s) and s > 0) for s in self.scales):
            msg = "scales must be finite and positive"
            raise ValueError(msg)
        if self.axis is None and len(self.scales) != 1:
            msg = "several scales need an axis"
            raise ValueError(msg)

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantization."""
        if len(self.scales) != 1:
            msg = "this tensor has one scale per channel"
            raise ValueError(msg)
        return self.scales[0]


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape (height, width, channels for activations), element type and quantization."""

    shape: tuple[int, ...]
    dtype: DType = DType.INT8
    quantization: Quantization | None = None

    def __post_init__(self) -> None:
        if any(extent < 1 for extent in self.shape):
            msg = f"every extent of a shape must be at least 1, got {self.shape}"
            raise ValueError(msg)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole tensor."""
        return self.size * self.dtype.itemsize

    @property
    def scale(self) -> float:
        """The per-tensor scale."""
        return self.quantized().scale

    @property
    def scales(self) -> tuple[float, ...]:
        """All scales."""
        return self.quantized().scales

    @property
    def zero_point(self) -> int:
        """The quantized value of real zero."""
        return self.quantized().zero_point

    def quantized(self) -> Quantization:
        """The quantization.

        Raises:
            ValueError: when there is none.
        """
        if self.quantization is None:
            msg = "this tensor is not quantized"
            raise ValueError(msg)
        return self.quantization


@dataclass(frozen=True, slots=True)
class Value:
    """A named tensor. ``data`` holds a constant's or a state's initial contents."""

    name: str
    type: TensorType
    kind: Kind
    data: NDArray[np.generic] | None = field(default=None, repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Value):
            return NotImplemented
        same = (self.name, self.type, self.kind) == (other.name, other.type, other.kind)
        if self.data is None or other.data is None:
            return same and self.data is other.data
        return same and bool(np.array_equal(self.data, other.data))

    def __hash__(self) -> int:
        return hash((self.name, self.type, self.kind))

    @property
    def array(self) -> NDArray[np.generic]:
        """The contents of a constant or a state."""
        if self.data is None:
            msg = f"%{self.name} has no contents"
            raise ValueError(msg)
        return self.data
