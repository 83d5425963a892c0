"""Functions of one number and products in .tflite files, against TensorFlow Lite Micro."""

import pytest
from micro import assert_same_bytes
from tflite_products import DRAFTS


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_bytes_are_those_of_tensorflow_lite_micro(what, tmp_path):
    assert_same_bytes(DRAFTS[what]().write(tmp_path / "net.tflite"), 6)
