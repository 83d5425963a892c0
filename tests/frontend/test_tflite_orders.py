"""Layers of .tflite files for which elements have to move, and random networks of all layers."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from micro import assert_same_bytes
from tflite_drafts import ended, mean_over
from tflite_files import Draft
from tflite_products import constant, multiply
from tflite_random import RandomNetwork

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model


def begun(outputs=3):
    draft = Draft()
    return draft, draft.conv(0, (1, 6, 6), outputs)


def convolved():
    """Channels in the place of the width, as the layer behind reads them."""
    draft, x = begun()
    x = draft.transpose(x, (0, 1, 3, 2))
    return ended(draft, draft.conv(x, (1, 6, 3), 4))


def reshaped():
    draft, x = begun()
    x = draft.reshape(draft.transpose(x, (0, 3, 1, 2)), (1, 6, 3, 6))
    return ended(draft, draft.conv(x, (1, 6, 3), 4))


def by_its_transpose():
    """A map of as many rows as columns, times itself the other way round."""
    draft, x = begun()
    y = draft.transpose(x, (0, 2, 1, 3))
    return ended(draft, multiply(draft, x, y, scale=0.2))


def joined(axis, *, is_first=False):
    """Along rows or columns; with channels first, along any of three."""
    draft = Draft((1, 4, 5, 3))
    quantization = {"scale": 0.06, "zero": 4}
    maps = [draft.conv(0, (1, 4, 5), 3, **quantization) for _ in range(3)]
    if is_first:
        maps = [draft.transpose(x, (0, 3, 1, 2)) for x in maps]
    shape = [*draft.tensors[maps[0]].shape]
    shape[axis] *= 3
    x = draft.concatenate(maps, axis, tuple(shape))
    if is_first:
        x = draft.transpose(x, (0, 2, 3, 1))
    shape = draft.tensors[x].shape
    return ended(draft, draft.conv(x, shape[:3], 4))


def shortcut():
    """As residual networks without weights in their shortcuts have it: channels of zero."""
    draft = Draft((1, 6, 6, 3), zero=-20)
    x = draft.pad(0, ((0, 0), (0, 0), (0, 0), (2, 1)))
    y = draft.conv(0, (1, 6, 6), 6)
    return ended(draft, draft.add(x, y))


def padded_all_around():
    draft, x = begun()
    x = draft.pad(x, ((0, 0), (1, 0), (0, 2), (1, 1)))
    return ended(draft, draft.conv(x, (1, 7, 8), 4))


def mixed():
    """Dense layers along positions, then along channels, as mixers have them."""
    draft = Draft((1, 4, 4, 3))
    x = draft.reshape(draft.conv(0, (1, 4, 4), 6), (1, 16, 6))
    for _ in range(2):
        x = draft.transpose(x, (0, 2, 1))
        shape = draft.tensors[x].shape
        given = draft.weights(x, (shape[2], shape[2]), 0, 1)
        table = "FullyConnectedOptions"
        x = draft.append("FULLY_CONNECTED", [x, *given], shape, table, KeepNumDims=True)
    draft.dense(draft.mean(x, (1,), (1, 6)), 3)
    return draft


def shuffled_pixels():
    """Blocks of channels as positions: a reshape to five dimensions, and their order."""
    draft, x = begun(8)
    x = draft.reshape(x, (1, 6, 6, 2, 4))
    x = draft.reshape(draft.transpose(x, (0, 1, 3, 2, 4)), (1, 12, 6, 4))
    return ended(draft, draft.conv(x, (1, 12, 6), 4))


def flattened_sequence():
    """Features first, as one vector, and a constant for each element of it."""
    draft = Draft((1, 7, 3))
    x = draft.concatenate([0, 0], 2, (1, 7, 6))
    x = draft.reshape(draft.transpose(x, (0, 2, 1)), (1, 42))
    factors = constant(draft, draft.rng.integers(-128, 128, 42))
    draft.dense(multiply(draft, x, factors, scale=0.1), 3)
    return draft


def square_sequence():
    """As many steps as features, which change places, as a map of one row and as a vector."""
    draft = Draft((1, 4, 2))
    x = draft.concatenate([0, 0], 2, (1, 4, 4))
    x = draft.reshape(draft.transpose(x, (0, 2, 1)), (1, 1, 4, 4))
    draft.dense(draft.reshape(x, (1, 16)), 3)
    return draft


def attended():
    """A map times what are the mean and the maximum over its channels, for each position."""
    draft, x = begun()
    gate = draft.mean(x, (3,), (1, 6, 6, 1), KeepDims=True)
    axes = draft.constant("axes", np.array([3], np.int32))
    most = draft.like("REDUCE_MAX", x, (1, 6, 6, 1), axes, table="ReducerOptions", KeepDims=True)
    x = multiply(draft, multiply(draft, x, gate, scale=0.1), most, scale=0.2)
    return ended(draft, x)


DRAFTS = {
    "convolved": convolved,
    "reshaped": reshaped,
    "by its transpose": by_its_transpose,
    "joined by rows": lambda: joined(1),
    "joined by columns": lambda: joined(2),
    "joined by channels that are first": lambda: joined(1, is_first=True),
    "joined by rows behind channels": lambda: joined(2, is_first=True),
    "joined by columns behind channels": lambda: joined(-1, is_first=True),
    "shortcut": shortcut,
    "padded all around": padded_all_around,
    "mixed": mixed,
    "shuffled pixels": shuffled_pixels,
    "mean over channels": lambda: mean_over((3,), (1, 7, 5)),
    "mean over channels and rows": lambda: mean_over((1, 3), (1, 5)),
    "mean over all": lambda: mean_over((1, 2, 3), (1, 1), transposed=(0, 3, 1, 2)),
    "attended": attended,
    "flattened sequence": flattened_sequence,
    "square sequence": square_sequence,
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_bytes_of_moved_elements(what, tmp_path):
    assert_same_bytes(DRAFTS[what]().write(tmp_path / "net.tflite"))


@pytest.mark.parametrize("what", ["convolved", "joined by columns", "shortcut", "attended"])
def test_training_moves_gradients_back(what, load, learns_alike):
    assert learns_alike(load(DRAFTS[what]()))


def test_only_what_is_read_in_another_order_moves(tmp_path):
    """Channels that are put first and last again cost nothing."""
    graph = load_model(str(joined(1, is_first=True).write(tmp_path / "net.tflite")))
    assert all(node.operator != "transpose" for node in graph.nodes)
    graph = load_model(str(convolved().write(tmp_path / "net.tflite")))
    assert [node.operator for node in graph.nodes].count("transpose") == 1
    graph = load_model(str(attended().write(tmp_path / "net.tflite")))
    assert [node.operator for node in graph.nodes].count("transpose") == 1


def test_maps_that_do_not_fit_are_not_joined(tmp_path):
    """Even where they have as many elements as those that would."""
    draft, x = begun()
    y = draft.reshape(x, (1, 6, 3, 6))
    x = draft.concatenate([x, y], 1, (1, 12, 6, 3))
    path = ended(draft, draft.conv(x, (1, 12, 6), 4)).write(tmp_path / "net.tflite")
    with pytest.raises(ModelError, match=r"it joins maps of \[6, 6, 3\] and \[6, 3, 6\] along 1"):
        load_model(str(path))


def test_too_many_dimensions_at_once(tmp_path):
    draft, x = begun(2)
    x = draft.reshape(x, (1, 2, 3, 2, 3, 1, 2))
    x = draft.reshape(draft.transpose(x, (0, 6, 5, 4, 3, 2, 1)), (1, 6, 6, 2))
    load_model(str(ended(draft, x).write(tmp_path / "net.tflite")))
    draft, x = begun(4)
    x = draft.reshape(x, (1, 2, 3, 2, 3, 2, 2))
    x = draft.reshape(draft.transpose(x, (0, 6, 5, 4, 3, 2, 1)), (1, 6, 6, 4))
    with pytest.raises(ModelError, match="6 dimensions are moved at once, and kilograd moves 5"):
        load_model(str(ended(draft, x).write(tmp_path / "net.tflite")))


@pytest.mark.oracle
@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_bytes_of_random_networks(tmp_path_factory, random):
    """Of those that are carried; the others are refused in words."""
    path = tmp_path_factory.getbasetemp() / "random_networks.tflite"
    RandomNetwork(random).make().write(path)
    try:
        load_model(str(path))
    except ModelError:
        reject()  # too many of them fail the test
    assert_same_bytes(path, 2, is_random=True)
