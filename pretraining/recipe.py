"""What all backbones are pretrained with, as constants and in words."""

from __future__ import annotations

#: Highest rate of the part in float, and decay of the weights in it.
FLOAT_RATE, WEIGHT_DECAY = 3e-3, 0.05
LABEL_SMOOTHING = 0.1

#: Samples that the ranges of activations are taken from.
CALIBRATION = 512

FLOAT_PART = (
    f"AdamW {FLOAT_RATE}, weight decay {WEIGHT_DECAY}, cosine, label smoothing {LABEL_SMOOTHING}"
)


def quantized_part(share: float, rate: float) -> str:
    """The end of a recipe.

    Args:
        share: of all steps, those with fake quantization.
        rate: the highest of these steps.
    """
    return (
        f"the last {share:.0%} of the steps with batch normalization folded and fake int8 "
        f"quantization, AdamW {rate}."
    )
