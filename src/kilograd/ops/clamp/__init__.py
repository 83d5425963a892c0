"""The gradient of the clamp at the end of every quantized operator."""

from kilograd.ops.clamp.op import ClampMask, MaskGradient, clamped_gradient

OPERATORS = (ClampMask(), MaskGradient())

__all__ = ["OPERATORS", "ClampMask", "MaskGradient", "clamped_gradient"]
