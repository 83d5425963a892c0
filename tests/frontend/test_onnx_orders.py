"""Layers of .onnx files for which elements have to move, and random networks of all layers."""

import math

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from onnx_drafts import ended
from onnx_files import Draft
from onnx_orders import (
    DRAFTS,
    attended,
    begun,
    convolved,
    mixed,
    reshaped,
    split_rows,
    transposed,
    windows,
)
from onnx_random import RandomNetwork
from runtime import compare, samples

from experiments.importing.onnx_runtime import session
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.ir import LabelKind
from kilograd.scheme import load_scheme
from kilograd.targets import get_target


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_numbers_of_moved_elements(what):
    draft = DRAFTS[what]()
    found = compare(draft.content(), list(samples(draft.shapes["sample_q"], 20)))
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    assert found.same_class >= 19


TRAINED = [
    *("reflected", "repeated edges", "from the other side", "mixed by rows", "attended"),
    *("windows", "depth to space", "steps first"),
]


@pytest.mark.parametrize("what", TRAINED)
def test_training_moves_gradients_back(what, tmp_path, learns_alike):
    assert learns_alike(load_model(str(DRAFTS[what]().write(tmp_path / "net.onnx"))))


def moves(draft, tmp_path):
    graph = load_model(str(draft.write(tmp_path / "net.onnx")))
    return [node.operator for node in graph.nodes if node.operator in {"transpose", "reshape"}]


def test_only_what_is_read_in_another_order_moves(tmp_path):
    assert moves(convolved(), tmp_path).count("transpose") == 2
    assert moves(attended(), tmp_path).count("transpose") == 1
    assert "transpose" not in moves(split_rows(), tmp_path)
    # One there and one back for each layer along positions.
    assert moves(mixed(as_rows=True), tmp_path).count("transpose") == 4
    # To vectors at once, whatever shapes stand between.
    assert moves(windows(), tmp_path).count("transpose") == 1
    draft, x = begun()
    x = transposed(draft, transposed(draft, x, 0, 2, 3, 1), 0, 3, 1, 2)
    x = reshaped(draft, reshaped(draft, x, 1, 2, 2, 8, 3, 2), 1, 4, 8, 6)
    assert moves(ended(draft, draft.conv(x, 4)), tmp_path) == []


def makes_sample_again(shape, *perm):
    """Dense layers that make a picture again, as a vector or in another order of dimensions."""
    draft = Draft(shape)
    elements = math.prod(shape)
    x = draft.gemm(draft.gemm(draft.flatten("sample_q"), 5), elements)
    if perm:
        x = reshaped(draft, x, 1, *(shape[axis] for axis in perm[1:]))
        x = transposed(draft, x, *(perm.index(axis) for axis in range(len(perm))))
    return draft.finish(x)


@pytest.mark.parametrize("perm", [(), (0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2)])
def test_a_picture_is_compared_with_itself(perm, tmp_path):
    """What a network makes again lies in memory as its sample, whatever the file's order is."""
    pytest.importorskip("onnxruntime")
    draft = makes_sample_again((1, 3, 4, 6), *perm)
    path = draft.write(tmp_path / "net.onnx")
    graph = load_model(str(path))
    assert graph.label_kind is LabelKind.ANOMALY
    runtime = session(draft.proto())
    program = compile_model(graph, load_scheme("head", graph), get_target("host"))
    scale, zero = draft.quantizations["sample_q"]
    with open_device(program, "host") as device:
        device.initialize(0)
        for given in samples((1, 3, 4, 6), 4):
            (made,) = runtime.run(None, {"sample": given})
            steps = np.clip(np.rint(given / np.float32(scale)) + zero, -128, 127)
            error = np.square(made.reshape(given.shape) - (steps - zero) * scale).mean()
            sample = steps[0].transpose(1, 2, 0).astype(np.int8)
            unit = graph.value_range[1]
            found = device.predict(sample)[0] * 2.0**-28 * unit**2
            assert found == pytest.approx(error, rel=0.05)


@pytest.mark.oracle
@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_numbers_of_random_networks(tmp_path_factory, random):
    """Of those that are carried; the others are refused in words."""
    path = tmp_path_factory.getbasetemp() / "random_networks.onnx"
    draft = RandomNetwork(random).make()
    content = draft.write(path).read_bytes()
    try:
        load_model(str(path))
    except ModelError as error:
        is_damaged = "damaged" in str(error)
    else:
        is_damaged = None
    assert not is_damaged
    if is_damaged is not None:
        reject()  # too many of them fail the test
    found = compare(content, list(samples(draft.shapes["sample_q"], 2)))
    assert found.alone.most <= 1
