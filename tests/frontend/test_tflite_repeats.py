"""Maps of .tflite files that are repeated in their rows and columns, and differences of maps."""

import numpy as np
import pytest
from micro import assert_same_bytes
from tflite_borders import begun, cropped, leaky_by_maximum, numbers
from tflite_drafts import ended
from tflite_files import RELU, Draft
from tflite_products import constant, multiply

from experiments.importing.micro import known_tensors
from kilograd.errors import ModelError
from kilograd.ops.upsample.op import UpsampleAttributes


def resized(height, width, shape=(1, 3, 4, 3), *, is_rescaled=False, **options):
    """RESIZE_NEAREST_NEIGHBOR between two convolutions."""
    draft = Draft(shape)
    x = draft.conv(0, shape[:3], 4)
    table = {"table": "ResizeNearestNeighborOptions", **options}
    size = numbers(draft, height, width)
    result = {"scale": 0.02, "zero": 5} if is_rescaled else {"scale": 0.07, "zero": 5}
    x = draft.append("RESIZE_NEAREST_NEIGHBOR", [x, size], (1, height, width, 4), **table, **result)
    return ended(draft, draft.conv(x, (1, height, width), 5))


def tiled(rows, columns):
    """As Keras writes upsampling: a dimension of one behind what it repeats, tiled."""
    draft = Draft((1, 3, 4, 3))
    x = draft.conv(0, (1, 3, 4), 4)
    height, width = 3 * rows, 4 * columns
    x = draft.reshape(x, (1, 3, 1, 4, 4))
    x = draft.like("TILE", x, (1, 3, rows, 4, 4), numbers(draft, 1, 1, rows, 1, 1))
    x = draft.reshape(draft.reshape(x, (1, height, 4, 4)), (1, height, 4, 1, 4))
    x = draft.like("TILE", x, (1, height, 4, columns, 4), numbers(draft, 1, 1, 1, columns, 1))
    x = draft.reshape(x, (1, height, width, 4))
    return ended(draft, draft.conv(x, (1, height, width), 5))


def spread(shape=(1, 1, 1, 4), counts=(1, 3, 4, 1)):
    """The mean of a map at each of its positions, less the map."""
    draft = Draft((1, 3, 4, 3))
    x = draft.conv(0, (1, 3, 4), 4)
    mean = draft.mean(x, (1, 2), shape)
    mean = draft.like("TILE", mean, (1, 3, 4, 4), numbers(draft, *counts))
    x = draft.append("SUB", [mean, x], (1, 3, 4, 4), "SubOptions", scale=0.06)
    return ended(draft, x)


def difference(scale=0.07, shape=(1, 7, 6, 3), **options):
    draft = Draft(shape)
    a = draft.conv(0, shape[:3], 4)
    b = draft.conv(0, shape[:3], 4, scale=0.02, zero=-40)
    difference = {"scale": scale, "zero": 9, **options}
    return ended(draft, draft.append("SUB", [a, b], (*shape[:3], 4), "SubOptions", **difference))


def of_a_sample():
    """What a layer leaves of its sample, in the same scale."""
    draft = Draft((1, 5, 4, 3), scale=0.07, zero=5)
    x = draft.conv(0, (1, 5, 4), 3)
    return ended(draft, draft.append("SUB", [0, x], (1, 5, 4, 3), "SubOptions"))


def of_rows(operator="MUL", *, is_first=False):
    """A map and one of a single column."""
    draft, x = begun()
    y = draft.mean(x, (2,), (1, 7, 1, 4), KeepDims=True)
    table = {"MUL": "MulOptions", "ADD": "AddOptions", "SUB": "SubOptions"}[operator]
    return ended(draft, draft.append(operator, [y, x] if is_first else [x, y], (1, 7, 6, 4), table))


def of_positions():
    """Attention: a factor for each position, which is the same for all channels."""
    draft, x = begun()
    gate = draft.conv(x, (1, 7, 6), 1)
    gate = draft.append("LOGISTIC", [gate], (1, 7, 6, 1), scale=1 / 256, zero=-128)
    return ended(draft, multiply(draft, x, gate))


def of_both():
    """A column and a row, each of which is repeated."""
    draft, x = begun()
    rows = draft.mean(x, (2,), (1, 7, 1, 4), KeepDims=True)
    columns = draft.mean(x, (1,), (1, 1, 6, 4), KeepDims=True)
    return ended(draft, draft.append("ADD", [rows, columns], (1, 7, 6, 4), "AddOptions"))


def plus_context():
    """What is made of the mean of a map, added to each position; the mean has no dimensions."""
    draft, x = begun()
    context = draft.dense(draft.mean(x, (1, 2), (1, 4)), 4)
    return ended(draft, draft.append("ADD", [x, context], (1, 7, 6, 4), "AddOptions"))


def with_constants(operator, shape, *, is_first=False):
    draft, x = begun()
    numbers = np.random.default_rng(3).integers(-128, 128, shape)
    pair = [x, constant(draft, numbers)]
    table = {"MUL": "MulOptions", "ADD": "AddOptions", "SUB": "SubOptions"}[operator]
    made = draft.append(operator, pair[::-1] if is_first else pair, (1, 7, 6, 4), table)
    return ended(draft, made)


def extremum(operator, *, is_row=False):
    """MAXIMUM or MINIMUM of two maps, as in networks for faces."""
    draft, x = begun(outputs=8)
    halves = [cropped(draft, x, (0, 0, 0, first), (1, 7, 6, 4)) for first in (0, 4)]
    if is_row:
        window = {"StrideH": 7, "StrideW": 1}
        halves[1] = draft.pool(halves[1], (7, 1), (1, 1, 6, 4), "MAX_POOL_2D", **window)
    table = "MaximumMinimumOptions"
    scale, zero = draft.tensors[x].scales[0], draft.tensors[x].zeros[0]
    made = draft.append(operator, halves, (1, 7, 6, 4), table, scale=scale, zero=zero)
    return ended(draft, draft.conv(made, (1, 7, 6), 4))


RESIZED = {
    "the larger of two": lambda: extremum("MAXIMUM"),
    "the smaller of two": lambda: extremum("MINIMUM"),
    "the larger of a map and a negative share of it": lambda: leaky_by_maximum(-9),
    "the larger of a map and a row": lambda: extremum("MAXIMUM", is_row=True),
    "resized": lambda: resized(6, 8),
    "resized by their middles": lambda: resized(9, 4, HalfPixelCenters=True),
    "resized by their corners": lambda: resized(6, 8, AlignCorners=True),
    "resized from one position": lambda: resized(5, 7, (1, 1, 1, 3), AlignCorners=True),
    "difference": difference,
    "difference that is clamped": lambda: difference(0.01),
    "difference with an activation": lambda: difference(FusedActivationFunction=RELU),
    "difference from a sample": of_a_sample,
    "product with a column": of_rows,
    "sum of a column and a map": lambda: of_rows("ADD", is_first=True),
    "a column less a map": lambda: of_rows("SUB", is_first=True),
    "factor for each position": of_positions,
    "column and row": of_both,
    "context": plus_context,
    "constants for positions": lambda: with_constants("ADD", (7, 6, 4)),
    "constants for rows": lambda: with_constants("SUB", (7, 1, 1)),
    "factors for columns": lambda: with_constants("MUL", (1, 6, 1)),
    "factors for positions": lambda: with_constants("MUL", (7, 6, 1), is_first=True),
    "constants for channels, less a map": lambda: with_constants("SUB", (4,), is_first=True),
    "constants for columns, less a map": lambda: with_constants("SUB", (1, 6, 1), is_first=True),
}
# TensorFlow Lite Micro has no TILE.
DRAFTS = {
    **RESIZED,
    "tiled": lambda: tiled(2, 3),
    "tiled from one position": spread,
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", RESIZED)
def test_bytes_are_those_of_tensorflow_lite_micro(what, tmp_path):
    assert_same_bytes(RESIZED[what]().write(tmp_path / "net.tflite"), 6)


@pytest.mark.parametrize("what", DRAFTS)
def test_a_training_step_is_the_same_on_a_board(what, load, learns_alike):
    assert learns_alike(load(DRAFTS[what](), 3))


def repeats(graph):
    return [node.attributes for node in graph.nodes if node.operator == "upsample"]


def test_what_is_tiled_is_upsampled(load):
    assert repeats(load(tiled(2, 3))) == [UpsampleAttributes(2, 1), UpsampleAttributes(1, 3)]
    assert repeats(load(spread())) == [UpsampleAttributes(3, 4)]
    assert repeats(load(tiled(3, 1))) == [UpsampleAttributes(3, 1), UpsampleAttributes(1, 1)]
    assert repeats(load(resized(6, 12))) == [UpsampleAttributes(2, 3)]


def test_a_map_is_subtracted(load):
    graph = load(difference())
    (found,) = (node for node in graph.nodes if node.operator == "subtract")
    assert found.inputs == ("layer0", "layer1")


def of_map(change):
    draft, x = begun()
    return ended(draft, change(draft, x))


def tile(*counts, shape=None):
    def change(draft, x):
        made = shape or tuple(n * m for n, m in zip((1, 7, 6, 4), counts, strict=False))
        return draft.like("TILE", x, made, numbers(draft, *counts))

    return lambda: of_map(change)


def computed_counts(draft, x):
    counts = draft.tensor("counts", (4,), "int32", (), ())
    return draft.append("TILE", [x, counts], (1, 7, 6, 4))


WHOLE = "kilograd resizes no maps within a network but by repeating each row or column a whole"
ONE_BY_ONE = "(TILE, layer1): kilograd repeats the rows and columns of a map, one by one, and"

REFUSED = {
    "half as large again": (lambda: resized(3, 6), WHOLE),
    "smaller": (lambda: resized(1, 4), WHOLE),
    "by their corners": (lambda: resized(9, 4, AlignCorners=True), WHOLE),
    "to another scale": (
        lambda: resized(6, 8, is_rescaled=True),
        "layer 1 (RESIZE_NEAREST_NEIGHBOR, layer1): its result has another scale or zero point",
    ),
    "rows tiled as a whole": (tile(1, 2, 1, 1), ONE_BY_ONE),
    "channels tiled": (tile(1, 1, 1, 3), ONE_BY_ONE),
    "tiled by what is computed": (lambda: of_map(computed_counts), ONE_BY_ONE),
    "too often": (
        lambda: resized(257, 256, (1, 1, 1, 3)),
        "each position of its map becomes 257×256, and kilograd makes at most 65,536 of one",
    ),
    "as many counts as it likes": (
        tile(1, 2, shape=(1, 7, 6, 4)),
        "is damaged: operator 1 (TILE): it repeats the shape [1, 7, 6, 4] [1, 2] times",
    ),
    "never": (
        tile(1, 0, 1, 1, shape=(1, 7, 6, 4)),
        "is damaged: operator 1 (TILE): it repeats the shape [1, 7, 6, 4] [1, 0, 1, 1] times",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_is_refused(what, load):
    make, message = REFUSED[what]
    with pytest.raises(ModelError) as caught:
        load(make())
    assert message in str(caught.value)


def test_numbers_are_repeated(load):
    """By the reference, since no oracle has a TILE."""
    graph = load(tiled(2, 3))
    sample = np.random.default_rng(2).integers(-128, 128, (3, 4, 3)).astype(np.int8)
    known = known_tensors(graph, sample)
    (first, second) = (node for node in graph.nodes if node.operator == "upsample")
    expected = known[first.inputs[0]].repeat(2, axis=0).repeat(3, axis=1)
    assert np.array_equal(known[second.outputs[0]], expected)
