"""Networks from .onnx files nearly have the numbers of onnxruntime."""

import pytest

from experiments.importing import onnx_runtime
from experiments.importing.onnx_runtime import samples


def compare(content, given, **options):
    pytest.importorskip("onnxruntime")
    return onnx_runtime.compare(content, given, **options)


def assert_nearly_the_same(draft):
    """Compare every layer of a draft, given the same input, and the classes of samples."""
    shape = [dim.dim_value for dim in draft.inputs[0].type.tensor_type.shape.dim]
    found = compare(draft.content(), list(samples(shape, 20)))
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    assert found.alone.share < 0.01
    assert found.same_class >= 19


__all__ = ["assert_nearly_the_same", "compare", "samples"]
