"""What the author of a network called its layers."""

from __future__ import annotations

import re

#: Weights are named after their modules; exporters and onnxruntime hang more on that, at both ends.
_WEIGHT = re.compile(r"(?:Conv\w+Fusion_W_)?(.+)[._/](?:weight|kernel)(?:[^A-Za-z].*)?")

#: Of a layer whose weight has lost its name, as those that an exporter transposes do.
_BIAS = re.compile(r"(.+)\.bias(?:[^A-Za-z].*)?")

#: What is hung on the name of an integer result when it is that of real numbers.
REAL = " (real)"

#: What they hang on the name of a node's result.
_BEHIND_RESULT = re.compile(
    rf"(_output_\d+|_QuantizeLinear_Output|_DequantizeLinear_Output|(_quantized)?{re.escape(REAL)})+$"
)

#: Characters of a name that are looked at.
_LONGEST = 200


def author_name(result: str, weight: str = "", bias: str = "") -> str:
    """A name for a layer.

    Args:
        result: name of the value that it makes; exporters that name nodes after modules write
            ``/features/0/Conv_output_0``.
        weight: name of the initializer that it reads, which PyTorch names after the module:
            ``features.0.weight``.
        bias: likewise, for where the weight's tells nothing.
    """
    named = _WEIGHT.fullmatch(weight[:_LONGEST]) or _BIAS.fullmatch(bias[:_LONGEST])
    stem = named[1] if named else _BEHIND_RESULT.sub("", result[:_LONGEST])
    return stem.strip("/.").replace("/", ".")
