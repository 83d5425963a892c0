"""Networks from .onnx files nearly have the numbers of onnxruntime."""

import pytest

from experiments.importing import onnx_runtime
from experiments.importing.onnx_runtime import samples


def compare(content, given, **options):
    pytest.importorskip("onnxruntime")
    return onnx_runtime.compare(content, given, **options)


__all__ = ["compare", "samples"]
