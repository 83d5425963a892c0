"""Names and numbers of networks that are read from a file."""

import numpy as np
import pytest

from kilograd.frontend.lowering.names import LayerNames, layer_name, model_name
from kilograd.frontend.lowering.quantization import int8_range, scale_of_float32_product
from kilograd.ir import Quantization


def test_names_are_those_that_the_author_gave():
    for tensor, name in {
        "net/activation/Relu;net/batch_normalization/FusedBatchNormV3;net/conv2d_1/BiasAdd/"
        "ReadVariableOp/resource;net/conv2d_1/BiasAdd;net/conv2d_4/Conv2D": "conv2d_1",
        "net/activation/Relu;net/depthwise_conv2d_3/depthwise;net/conv2d/Conv2D": "conv2d",
        "MobilenetV1/MobilenetV1/Conv2d_1_pointwise/Relu6": "Conv2d_1_pointwise",
        "net/conv/BiasAdd/ReadVariableOp/resource1": "conv",
        "net/depthwise_conv2d/depthwise2": "depthwise_conv2d",
        "model/activation_2/Relu;model/add/add": "add",
        "input.11_te_transform": "input.11_te_transform",
        "956": "layer_956",
        "net/Größe ‰": "Gr_e",
        "x" * 99: "x" * 48,
        "StatefulPartitionedCall:0": "",
        "Relu": "",
        "": "",
    }.items():
        assert layer_name(tensor) == name


def test_names_are_given_once():
    names = LayerNames()
    assert [names.choose("net/a/Relu", "conv") for _ in range(3)] == ["a", "a_2", "a_3"]
    assert names.choose("a_2", "conv") == "a_2_2"
    assert names.choose("", "conv") == "conv"
    assert names.choose("head", "conv") == "head_2"
    assert names.choose("input", "conv") == "input_2"


def test_names_of_models_can_stand_in_c():
    assert model_name("v1 (final)") == "v1__final_"
    assert model_name("*/") == "model__"
    assert model_name("") == "model"


def test_activations_leave_the_range_that_tensorflow_lite_computes():
    assert int8_range("none", Quantization((0.1,), 3)) == (-128, 127)
    assert int8_range("relu", Quantization((0.1,), -128)) == (-128, 127)
    assert int8_range("relu", Quantization((0.1,), 3)) == (3, 127)
    assert int8_range("relu6", Quantization((6 / 255,), -128)) == (-128, 127)
    assert int8_range("relu6", Quantization((0.1,), -128)) == (-128, -68)
    assert int8_range("relu_n1_to_1", Quantization((0.02,), 0)) == (-50, 50)
    assert int8_range("relu6", Quantization((1e-15,), 0)) == (0, 127)
    assert int8_range("tanh", Quantization((0.1,), 0)) is None


def test_the_scale_of_a_dense_accumulator_is_a_product_of_floats():
    x, weight = float(np.float32(0.0123)), float(np.float32(0.00456))
    scale = scale_of_float32_product(x, weight)
    assert scale != pytest.approx(weight, rel=1e-9)
    assert x * scale == pytest.approx(float(np.float32(x) * np.float32(weight)), rel=2**-51)
