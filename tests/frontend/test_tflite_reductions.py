"""Layers of .tflite files that make one position of many, and networks that end with them."""

import numpy as np
import pytest
from micro import assert_same_bytes
from tflite_drafts import ended
from tflite_files import RELU, Draft

from experiments.importing.micro import known_tensors
from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.ir import Quantization
from kilograd.ops.pool.window import PoolWindow


def maximum(draft, x, axes, shape, **options):
    numbers = draft.constant("axes", np.array(axes, np.int32))
    return draft.like("REDUCE_MAX", x, shape, numbers, table="ReducerOptions", **options)


def largest(axes, shape, *, transposed=None, **options):
    """Of each channel, over some dimensions of a map that may be reordered first."""
    draft = Draft((1, 7, 5, 2))
    x = draft.conv(0, (1, 7, 5), 6)
    if transposed is not None:
        x = draft.transpose(x, transposed)
    x = maximum(draft, x, axes, shape, **options)
    if len(shape) == 4:
        return ended(draft, draft.conv(x, shape[:3], 4))
    draft.dense(draft.reshape(x, (1, int(np.prod(shape)))), 3)
    return draft


def largest_in_time():
    """As converters write a GlobalMaxPooling1D behind a Conv1D."""
    draft = Draft((1, 1, 12, 3))
    x = draft.conv(0, (1, 1, 12), 5, taps=(1, 3))
    x = draft.reshape(x, (1, 12, 5))
    draft.dense(maximum(draft, x, (1,), (1, 5)), 3)
    return draft


DRAFTS = {
    "over the map": lambda: largest((1, 2), (1, 6)),
    "over the map, which stays one": lambda: largest((1, 2), (1, 1, 1, 6), KeepDims=True),
    "over channels": lambda: largest((3,), (1, 7, 5)),
    "over rows and channels": lambda: largest((1, 3), (1, 5)),
    "over rows": lambda: largest((1,), (1, 5, 6)),
    "over columns that stay": lambda: largest((-2,), (1, 7, 1, 6), KeepDims=True),
    "of a reordered map": lambda: largest((2, 3), (1, 6), transposed=(0, 3, 1, 2)),
    "in time": largest_in_time,
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_bytes_are_those_of_tensorflow_lite_micro(what, tmp_path):
    assert_same_bytes(DRAFTS[what]().write(tmp_path / "net.tflite"), 6)


def test_a_maximum_is_a_window_as_long_as_what_it_is_over(tmp_path):
    for what, window in (
        ("over the map", PoolWindow(7, 5, 7, 5)),
        ("over columns that stay", PoolWindow(1, 5, 1, 5)),
        ("in time", PoolWindow(1, 12, 1, 12)),
    ):
        graph = load_model(str(DRAFTS[what]().write(tmp_path / "net.tflite")))
        (found,) = (node for node in graph.nodes if node.operator == "max_pool")
        assert found.attributes.window == window


def test_maxima_that_are_not_carried(tmp_path):
    draft = largest((0,), (7, 5, 6))
    with pytest.raises(ModelError, match=r"a maximum over the dimensions \[0\] of the shape"):
        load_model(str(draft.write(tmp_path / "net.tflite")))
    draft = largest((1, 2), (1, 6))
    draft.tensors[draft.operators[1].outputs[0]].scales = (0.5,)
    with pytest.raises(ModelError, match="has another scale or zero point than its input"):
        load_model(str(draft.write(tmp_path / "net.tflite")))


def averaged(*, by="MEAN", taps=(1, 1), activation=0, window=(6, 6)):
    """A network that averages what its last layer makes of each position."""
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 4)
    x = draft.conv(x, (1, 6, 6), 3, taps, FusedActivationFunction=activation)
    if activation:
        draft.tensors[x].zeros = (-128,)
    if by == "MEAN":
        x = draft.mean(x, (1, 2), (1, 3))
    elif by == "MEAN in time":
        x = draft.mean(draft.reshape(x, (1, 36, 3)), (1,), (1, 3))
    else:
        extents = tuple(7 - extent for extent in window)
        x = draft.reshape(draft.pool(x, window, (1, *extents, 3)), (1, 3 * np.prod(extents)))
    draft.softmax(x)
    return draft


@pytest.mark.parametrize("by", ["MEAN", "MEAN in time", "AVERAGE_POOL_2D"])
def test_an_average_at_the_end_goes_before_the_last_layer(by, tmp_path):
    draft = averaged(by=by)
    graph = load_model(str(draft.write(tmp_path / "net.tflite")))
    assert [node.operator for node in graph.nodes] == ["conv", "average_pool", "dense"]
    rng = np.random.default_rng(3)
    known = known_tensors(
        graph, rng.integers(-128, 128, graph.inputs[0].type.shape).astype(np.int8)
    )
    map_, type_ = known["layer0"], graph.type_of("layer0")
    reals = type_.scales[0] * (map_.astype(float) - type_.zero_point)
    weight, bias = (draft.tensors[number] for number in draft.operators[1].inputs[1:])
    matrix = weight.data.reshape(3, 4) * np.array(weight.scales)[:, None]
    made = reals @ matrix.T + bias.data * np.array(bias.scales)
    # The mean of the map is rounded once to int8; nothing else is lost.
    rounding = type_.scales[0] / 2 * np.abs(matrix).sum(axis=1) + 2**-15
    found = known[graph.outputs[0]].ravel() / 2**16
    assert np.all(np.abs(found - made.mean(axis=(0, 1))) <= rounding)


def test_another_last_layer_reads_the_average_behind_any_activation(tmp_path):
    """As SqueezeNet ends."""
    path = str(averaged(activation=RELU).write(tmp_path / "net.tflite"))
    graph = load_model(path, 5)
    assert [node.operator for node in graph.nodes] == ["conv", "average_pool", "dense"]
    assert graph.type_of("head.weight").shape == (5, 4)
    own = load_model(path)
    assert [node.operator for node in own.nodes] == ["conv", "pointwise", "mean", "dense"]
    assert own.type_of("head.weight").shape == (3, 3)


def test_an_average_that_leaves_a_map_is_no_end(tmp_path):
    draft = averaged(by="AVERAGE_POOL_2D", window=(5, 5))
    with pytest.raises(ModelError, match="the network ends with a map of 2×2×3, and kilograd"):
        load_model(str(draft.write(tmp_path / "net.tflite")))


def test_reshapes_in_a_circle_before_an_average_are_refused(tmp_path):
    draft = Draft()
    x = draft.reshape(draft.reshape(draft.conv(0, (1, 6, 6), 3, (1, 1)), (1, 36, 3)), (1, 36, 3))
    draft.operators[1].inputs[0] = x
    draft.mean(x, (1,), (1, 3))
    with pytest.raises(ModelError):
        load_model(str(draft.write(tmp_path / "net.tflite")))


def test_a_dense_layer_without_a_weight_is_refused(tmp_path):
    draft = Draft()
    draft.dense(draft.dense(draft.conv(0, (1, 6, 6), 3), 4), 3)
    draft.operators[1].inputs[1] = -1
    with pytest.raises(ModelError):
        load_model(str(draft.write(tmp_path / "net.tflite")))


def test_what_says_which_logit_is_largest_is_left_out(tmp_path):
    draft = Draft()
    x = draft.dense(draft.conv(0, (1, 6, 6), 4), 3)
    axis = draft.constant("axis", np.array(-1, np.int32))
    draft.append("ARG_MAX", [x, axis], (1,), "ArgMaxOptions")
    draft.tensors[-1].dtype, draft.tensors[-1].scales, draft.tensors[-1].zeros = "int32", (), ()
    graph = load_model(str(draft.write(tmp_path / "net.tflite")))
    assert [node.operator for node in graph.nodes] == ["conv", "reshape", "dense"]
    assert graph.type_of("layer0").quantization == Quantization((float(np.float32(0.07)),), 5)
