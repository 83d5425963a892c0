"""Operators: one room a family, one registry for all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kilograd.ops import (
    add,
    bias,
    clamp,
    conv,
    delta,
    depthwise,
    gradient_scale,
    loss,
    pointwise,
    pool,
)
from kilograd.ops.spec import OpSpec, Role

_ROOMS = (conv, pointwise, depthwise, add, pool, loss, bias, clamp, gradient_scale, delta)

#: Every operator by name.
REGISTRY: Mapping[str, OpSpec[Any]] = MappingProxyType(
    {operator.name: operator for room in _ROOMS for operator in room.OPERATORS}
)

__all__ = ["REGISTRY", "OpSpec", "Role"]
