"""The gradient of the clamp at the end of every quantized operator."""

from kilograd.ops.clamp.op import (
    BoundedMask,
    ClampMask,
    MaskGradient,
    bounded_gradient,
    clamped_gradient,
)

OPERATORS = (ClampMask(), BoundedMask(), MaskGradient())

__all__ = [
    "OPERATORS",
    "BoundedMask",
    "ClampMask",
    "MaskGradient",
    "bounded_gradient",
    "clamped_gradient",
]
