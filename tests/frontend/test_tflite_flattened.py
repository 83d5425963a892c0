"""Vectors that were maps: what is done to their elements, and constants that meet each of them."""

import numpy as np
import pytest
from micro import assert_same_bytes
from tflite_files import Draft
from tflite_products import SIGNED_GATE, constant, function, multiply

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model

#: Elements of the map that is flattened.
COUNT = 6 * 4 * 5


def flattened(*, transposed=False):
    """A map as a vector, in the order of the file; the channels may come first."""
    draft = Draft((1, 6, 4, 3))
    x = draft.conv(0, (1, 6, 4), 5)
    if transposed:
        x = draft.transpose(x, (0, 3, 1, 2))
    return draft, draft.reshape(x, (1, COUNT))


def finished(draft, x):
    draft.dense(draft.dense(x, 6), 3)
    return draft


def terms(draft, count=COUNT):
    return constant(draft, draft.rng.integers(-100, 100, count))


def of_function(draft, x):
    return function(draft, "TANH", x, **SIGNED_GATE)


def requantized(draft, x):
    return draft.append("QUANTIZE", [x], (1, COUNT), scale=0.11, zero=-50)


def joined(draft, x):
    return draft.add(x, of_function(draft, x))


def with_constants(operator, *, is_first=False):
    table = {"MUL": "MulOptions", "ADD": "AddOptions", "SUB": "SubOptions"}.get(operator)

    def append(draft, x):
        reads = [x, terms(draft)]
        return draft.append(operator, reads[::-1] if is_first else reads, (1, COUNT), table)

    return append


def normalized(draft, x):
    """As converters write a batch normalization of a vector."""
    x = multiply(draft, x, terms(draft))
    return draft.append("ADD", [x, terms(draft)], (1, COUNT), "AddOptions", scale=0.1)


def there_and_back(draft, x):
    """Through a function, and through the shape of the map with its channels first."""
    return draft.reshape(draft.reshape(of_function(draft, x), (1, 5, 6, 4)), (1, COUNT))


BEHIND = {
    "function": of_function,
    "another scale": requantized,
    "sum": joined,
    "normalized": normalized,
    "plus": with_constants("ADD"),
    "minus": with_constants("SUB"),
    "from constants": with_constants("SUB", is_first=True),
    "times": with_constants("MUL", is_first=True),
    "slopes": with_constants("PRELU"),
    "there and back": there_and_back,
}


def draft_of(what, *, transposed):
    draft, x = flattened(transposed=transposed)
    return finished(draft, BEHIND[what](draft, x))


@pytest.mark.oracle
@pytest.mark.parametrize("transposed", [False, True], ids=["channels last", "channels first"])
@pytest.mark.parametrize("what", BEHIND)
def test_bytes_are_those_of_tensorflow_lite_micro(what, transposed, tmp_path):
    assert_same_bytes(draft_of(what, transposed=transposed).write(tmp_path / "net.tflite"), 4)


@pytest.mark.parametrize("what", ["normalized", "slopes"])
def test_a_training_step_is_the_same_on_a_board(what, tmp_path, learns_alike):
    path = draft_of(what, transposed=True).write(tmp_path / "net.tflite")
    assert learns_alike(load_model(str(path)))


def test_a_dense_layer_reads_them_in_the_order_of_the_file(tmp_path):
    """Whatever is between the map and the layer, a function among it."""
    draft, x = flattened(transposed=True)
    draft.dense(of_function(draft, x), 3)
    graph = load_model(str(draft.write(tmp_path / "net.tflite")))
    (weight,) = [t.data for t in draft.tensors if t.name == "weight" and t.shape == (3, COUNT)]
    made = graph.values["head.weight"].array
    assert np.array_equal(made, weight.reshape(3, 5, 6, 4).transpose(0, 2, 3, 1).reshape(3, -1))


@pytest.mark.parametrize("count", [5, 20, COUNT - 1])
@pytest.mark.parametrize("operator", ["MUL", "ADD", "PRELU"])
def test_constants_of_another_count_are_refused(operator, count, tmp_path):
    draft, x = flattened()
    table = {"MUL": "MulOptions", "ADD": "AddOptions"}.get(operator)
    x = draft.append(operator, [x, terms(draft, count)], (1, COUNT), table)
    with pytest.raises(ModelError) as error:
        load_model(str(finished(draft, x).write(tmp_path / "net.tflite")))
    assert f"layer 2 ({operator}, layer2): " in str(error.value)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "shape", [(6, 4, 5), (1, 4, 5), (6, 1, 1), (6, 4, 1), (5,), (1, 6, 4, 5)], ids=str
)
def test_slopes_may_be_of_rows_columns_or_elements(shape, tmp_path):
    draft = Draft((1, 6, 4, 3))
    slopes = constant(draft, draft.rng.integers(-100, 100, shape))
    x = draft.append("PRELU", [draft.conv(0, (1, 6, 4), 5), slopes], (1, 6, 4, 5))
    assert_same_bytes(finished(draft, x).write(tmp_path / "net.tflite"))
