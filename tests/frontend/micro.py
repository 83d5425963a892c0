"""Networks from .tflite files have the bytes of TensorFlow Lite Micro."""

import pytest

from experiments.importing.micro import compare_with_micro


def assert_same_bytes(path, count=4, classes=None, *, is_random=False):
    """Compare every tensor; with classes given, the head is another, and is not compared.

    In a random network some layers are steps on the way to what is compared.
    """
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    found = compare_with_micro(runtime, path, count, classes)
    assert found.different == {}
    assert is_random or found.missing == set()
    assert found.bytes > 0
