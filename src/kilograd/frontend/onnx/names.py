"""What the author of a network called its layers."""

from __future__ import annotations

import re

#: What exporters and onnxruntime hang on the name of a weight.
_BEHIND_WEIGHT = re.compile(r"([._/](weight|kernel|quantized|fused|fold(ed)?|bn|transposed|\d+))+$")

#: Likewise on the name of a node's result.
_BEHIND_RESULT = re.compile(r"(_output_\d+|_QuantizeLinear_Output|_DequantizeLinear_Output)+$")


def author_name(result: str, weight: str = "") -> str:
    """A name for a layer.

    Args:
        result: name of the value that it makes; exporters that name nodes after modules write
            ``/features/0/Conv_output_0``.
        weight: name of the initializer that it reads, which PyTorch names after the module:
            ``features.0.weight``.
    """
    if re.search(r"[._/](weight|kernel)", weight):
        stem = _BEHIND_WEIGHT.sub("", weight)
        return stem.replace("/", ".").replace(":", ".").strip(".")
    return _BEHIND_RESULT.sub("", result).strip("/").replace("/", ".")
