"""Transposed convolutions, as decoders have them, from .tflite and .onnx files."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from micro import assert_same_bytes
from onnx_drafts import ended as onnx_ended
from onnx_files import Draft as OnnxDraft
from runtime import compare, samples
from tflite_drafts import ended
from tflite_files import RELU, SAME, VALID, Draft

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.ir import LabelKind


def transposed(draft, x, shape, outputs, taps=(3, 3), strides=(2, 2), padding=SAME, **options):
    """The layer; shape is that of its result, with the batch and without channels."""
    weight, bias = draft.weights(x, (outputs, *taps, draft.tensors[x].shape[3]), 0)
    size = draft.constant("size", np.array([*shape, outputs], np.int32))
    options = {"StrideH": strides[0], "StrideW": strides[1], "Padding": padding} | options
    reads = [size, weight, x, bias]
    return draft.append(
        "TRANSPOSE_CONV", reads, (*shape, outputs), "TransposeConvOptions", **options
    )


def one(shape=(1, 3, 4, 3), result=(1, 6, 8), **options):
    draft = Draft(shape)
    return ended(draft, transposed(draft, draft.conv(0, shape[:3], 4), result, 5, **options))


def autoencoder():
    """A picture through a narrow map and back."""
    draft = Draft((1, 8, 8, 1))
    x = draft.conv(0, (1, 4, 4), 6, (3, 3), (2, 2), FusedActivationFunction=RELU)
    x = draft.conv(x, (1, 2, 2), 4, (3, 3), (2, 2), FusedActivationFunction=RELU)
    x = transposed(draft, x, (1, 4, 4), 6)
    transposed(draft, x, (1, 8, 8), 1)
    return draft


DRAFTS = {
    "same": one,
    "of an odd size": lambda: one(result=(1, 5, 7)),
    "valid": lambda: one(result=(1, 7, 9), padding=VALID),
    "two taps": lambda: one(taps=(2, 2)),
    "two taps, valid": lambda: one(taps=(2, 2), padding=VALID),
    "four taps": lambda: one(taps=(4, 4)),
    "one tap": lambda: one(taps=(1, 1)),
    "without a stride": lambda: one(result=(1, 3, 4), strides=(1, 1)),
    "one way": lambda: one(result=(1, 3, 12), taps=(1, 5), strides=(1, 3)),
    "larger than it must be": lambda: one(result=(1, 8, 9), padding=VALID),
    "autoencoder": autoencoder,
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_it_has_the_bytes_of_tensorflow_lite_micro(what, tmp_path):
    assert_same_bytes(DRAFTS[what]().write(tmp_path / "net.tflite"), 4)


@pytest.mark.oracle
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_window_has_the_bytes_of_tensorflow_lite_micro(tmp_path_factory, data):
    extents = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    taps = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    strides = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = data.draw(st.sampled_from([SAME, VALID]))
    result = [
        n * s if padding == SAME else (n - 1) * s + max(k, s)
        for n, s, k in zip(extents, strides, taps, strict=True)
    ]
    draft = one((1, *extents, 3), (1, *result), taps=taps, strides=strides, padding=padding)
    assert_same_bytes(draft.write(tmp_path_factory.mktemp("t") / "net.tflite"), 2)


@pytest.mark.parametrize("what", ["same", "two taps", "autoencoder"])
def test_training_steps_are_the_same_everywhere(what, load, learns_alike):
    graph = load(DRAFTS[what]())
    assert "insert_zeros" in {node.operator for node in graph.nodes}
    assert (graph.label_kind is LabelKind.ANOMALY) == (what == "autoencoder")
    assert learns_alike(graph)


def test_what_cannot_be_is_refused(load):
    with pytest.raises(ModelError, match="its window is smaller than its stride"):
        load(one(result=(1, 4, 7), taps=(1, 1), strides=(2, 2), padding=VALID))
    draft = one()
    draft.tensors[draft.operators[1].outputs[0]].shape = (1, 9, 9, 5)
    with pytest.raises(ModelError, match="padding must be smaller than the window"):
        load(draft)
    draft = one()
    del draft.operators[1].inputs[2:]
    with pytest.raises(ModelError, match="it has no input 2"):
        load(draft)
    draft = one()
    draft.operators[1].options["StrideH"] = 0
    with pytest.raises(ModelError, match="its strides are 0 and 2"):
        load(draft)


def onnx_layer(draft, x, outputs, window=(3, 3), strides=(2, 2), pads=None, more=None, **options):
    """A transposed convolution between its quantizations; its weight is [inputs, outputs, …]."""
    batch, inputs, *extents = draft.shapes[x]
    half = len(extents)
    pads, more = pads or (0,) * (2 * half), more or (0,) * half
    result = [
        (extents[k] - 1) * strides[k] + window[k] + more[k] - pads[k] - pads[k + half]
        for k in range(half)
    ]
    reads, spread = draft.weights(x, (inputs, outputs, *window), axis=1)
    options |= {"strides": strides, "pads": pads, "output_padding": more}
    shape = (batch, outputs, *result)
    return draft.append("ConvTranspose", [x], shape, spread, more=reads, **options)


def onnx(shape=(1, 3, 4, 5), **options):
    draft = OnnxDraft(shape)
    return onnx_ended(draft, onnx_layer(draft, "sample_q", 4, **options))


ONNX_DRAFTS = {
    "plain": onnx,
    "as PyTorch doubles": lambda: onnx(window=(4, 4), pads=(1, 1, 1, 1)),
    "as PyTorch doubles with three taps": lambda: onnx(pads=(1, 1, 1, 1), more=(1, 1)),
    "two taps": lambda: onnx(window=(2, 2)),
    "strides that differ": lambda: onnx(window=(3, 5), strides=(1, 3), pads=(1, 0, 1, 2)),
    "one direction": lambda: onnx((1, 3, 9), window=(4,), strides=(2,), pads=(1, 1)),
}


@pytest.mark.parametrize("what", ONNX_DRAFTS)
def test_an_onnx_file(what, tmp_path, learns_alike):
    graph = load_model(str(ONNX_DRAFTS[what]().write(tmp_path / "net.onnx")))
    assert "insert_zeros" in {node.operator for node in graph.nodes}
    assert learns_alike(graph)


@pytest.mark.oracle
@pytest.mark.parametrize("what", ONNX_DRAFTS)
def test_every_tensor_is_within_one_step_of_onnxruntime(what):
    draft = ONNX_DRAFTS[what]()
    shape = [dim.dim_value for dim in draft.inputs[0].type.tensor_type.shape.dim]
    found = compare(draft.content(), list(samples(shape, 20)))
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    assert found.alone.share < 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dilations": (2, 2)}, "its dilations are [2, 2], and it is transposed"),
        ({"group": 3}, "it has 3 groups, and is transposed"),
        ({"output_shape": (9, 11)}, "it does not state its pads"),
        ({"auto_pad": "SAME_UPPER"}, "it does not state its pads"),
        ({"pads": (9, 9, 9, 9)}, "its pads [9, 9, 9, 9] leave nothing of its result"),
    ],
)
def test_what_is_refused_of_onnx_files(options, message, tmp_path):
    path = onnx(**options).write(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=re.escape(message)):
        load_model(str(path))
