"""Maps of .onnx files that are resized or expanded, and differences of maps."""

import numpy as np
import pytest
from onnx_drafts import ended
from onnx_files import Draft
from runtime import compare, samples

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.ops.upsample.op import UpsampleAttributes
from kilograd.passes.verify import verify


def resized(factors, shape=(1, 3, 4, 5), by="scales", axes=None, **attributes):
    """Resize between two convolutions, by some factor for each dimension."""
    draft = Draft(shape)
    window = (3,) * (len(shape) - 2)
    x = draft.conv("sample_q", 4, window)
    before = draft.shapes[x]
    made = tuple(int(extent * factor) for extent, factor in zip(before, factors, strict=True))
    places = range(len(before)) if axes is None else axes
    if by == "scales":
        given = draft.constant("given", np.float32([factors[axis] for axis in places]))
        more = ["", given]
    else:
        given = draft.constant("given", np.array([made[axis] for axis in places]))
        more = ["", "", given]
    options = {"mode": "nearest", **attributes} | ({} if axes is None else {"axes": axes})
    x = draft.like("Resize", x, made, more, **options)
    return ended(draft, draft.conv(x, 5, window))


def rescaled():
    """With a result of another scale."""
    draft = Draft((1, 3, 4, 5))
    x = draft.conv("sample_q", 4)
    more = ["", draft.constant("scales", np.float32([1, 1, 2, 2]))]
    return ended(draft, draft.append("Resize", [x], (1, 4, 8, 10), 5.0, more=more))


def gated(*, is_first=False, shape=(1, 6, 4, 4), spread=None):
    """Squeeze-and-excite as it is often written: the factors are expanded to the map's shape."""
    draft = Draft(shape)
    x = draft.conv("sample_q", 6)
    gate = draft.flatten(draft.pool(x))
    gate = draft.append("Sigmoid", [draft.gemm(gate, 6)], (1, 6), 40 / 256, -128)
    one = [draft.constant("one", np.array([1, 6, 1, 1]))]
    gate = draft.like("Reshape", gate, (1, 6, 1, 1), one)
    like = [draft.constant("like", np.array(spread or shape))]
    gate = draft.like("Expand", gate, shape, like)
    pair = [gate, x] if is_first else [x, gate]
    return ended(draft, draft.append("Mul", pair, shape, 1.5))


def expanded_products():
    """A product of expanded maps is expanded."""
    draft = Draft((1, 6, 4, 4))
    x = draft.conv("sample_q", 6)
    like = [draft.constant("like", np.array([6, 4, 4]))]
    mean = draft.pool(x)
    spread = draft.like("Expand", mean, (1, 6, 4, 4), like)
    square = draft.append("Mul", [mean, spread], (1, 6, 4, 4), 1.0)
    return ended(draft, draft.append("Mul", [square, x], (1, 6, 4, 4), 1.0))


def not_expanded():
    draft = Draft((1, 6, 4, 4))
    x = draft.conv("sample_q", 6)
    return ended(draft, draft.like("Expand", x, (1, 6, 4, 4), [draft.constant("n", np.array([4]))]))


def of_two(operator="Sub", outputs=4, **options):
    draft = Draft()
    x, y = draft.conv("sample_q", 4), draft.conv("sample_q", outputs, **options)
    return ended(draft, draft.append(operator, [y, x], (1, 4, 8, 8), 1.0))


def of_three(operator):
    draft = Draft()
    maps = [draft.conv("sample_q", 4) for _ in range(3)]
    return ended(draft, draft.append(operator, maps, (1, 4, 8, 8), 1.0))


def with_constants(operator, shape, *, is_first=False, is_float=False):
    """A map and constants, in int8 as quantizers leave them."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    numbers = np.random.default_rng(3).integers(-128, 128, shape).astype(np.int8)
    draft.constant("numbers", numbers)
    draft.constant("numbers.scale", np.float32(0.02))
    draft.constant("numbers.zero", np.int8(-7))
    reads = ["numbers", "numbers.scale", "numbers.zero"]
    more = [draft.node("DequantizeLinear", reads, ["numbers_real"])]
    if is_float:
        draft.nodes.pop()
        draft.constant("numbers_real", (numbers + np.float32(7)) * np.float32(0.02))
    made = draft.append(operator, [x], (1, 4, 8, 8), 1.0, more=more)
    if is_first:
        node = next(node for node in draft.nodes if node.op_type == operator)
        node.input[:] = list(node.input)[::-1]
    return ended(draft, made)


def broadcast_in_time():
    """As in BC-ResNet: what is made of the mean over frequencies, added to each of them."""
    draft = Draft((1, 4, 6, 9))
    mean = draft.append(
        "ReduceMean", ["sample_q"], (1, 4, 1, 9), 0.4, more=[draft.constant("axes", np.array([2]))]
    )
    y = draft.depthwise(mean, (1, 3))
    return ended(draft, draft.append("Add", ["sample_q", y], (1, 4, 6, 9), 2.0))


def expanded(behind):
    """An expanded mean, and what reads it."""
    draft = Draft((1, 6, 4, 4))
    x = draft.conv("sample_q", 6)
    like = [draft.constant("like", np.array([1, 6, 4, 4]))]
    return ended(draft, behind(draft, x, draft.like("Expand", draft.pool(x), (1, 6, 4, 4), like)))


def flattened_expansion():
    """An expanded mean as one vector."""
    return expanded(
        lambda d, x, y: d.like("Reshape", y, (1, 96), [d.constant("s", np.array([1, 96]))])
    )


DRAFTS = {
    "flattened expansion": flattened_expansion,
    "by scales": lambda: resized(
        (1, 1, 2, 3), coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "as PyTorch": lambda: resized(
        (1, 1, 3, 3), by="sizes", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "by default": lambda: resized((1, 1, 4, 1)),
    "as PyTorch rounds": lambda: resized(
        (1, 1, 1, 5),
        coordinate_transformation_mode="pytorch_half_pixel",
        nearest_mode="round_prefer_ceil",
    ),
    "by corners": lambda: resized((1, 1, 2, 2), coordinate_transformation_mode="align_corners"),
    "some dimensions": lambda: resized((1, 1, 2, 3), axes=(-1, 2)),
    "some sizes": lambda: resized((1, 1, 2, 3), by="sizes", axes=(2, 3)),
    "in time": lambda: resized((1, 1, 3), (1, 3, 7)),
    "rescaled": rescaled,
    "gate": gated,
    "gate in front": lambda: gated(is_first=True),
    "expanded product": expanded_products,
    "expanded to what it is": not_expanded,
    "expanded and added": lambda: expanded(
        lambda d, x, y: d.append("Add", [x, y], (1, 6, 4, 4), 1.0)
    ),
    "expanded and convolved": lambda: expanded(lambda d, x, y: d.conv(y, 4)),
    "difference": of_two,
    "a row less a map": lambda: of_two(strides=(8, 1)),
    "product with a column": lambda: of_two("Mul", strides=(1, 8)),
    "factor for each position": lambda: of_two("Mul", outputs=1),
    "the larger of two": lambda: of_two("Max"),
    "the smaller of a row and a map": lambda: of_two("Min", strides=(8, 1)),
    "in time and frequency": broadcast_in_time,
    "constants for positions": lambda: with_constants("Add", (1, 4, 8, 8)),
    "constants for rows": lambda: with_constants("Sub", (8, 1)),
    "constants less a map": lambda: with_constants("Sub", (1, 8, 8), is_first=True),
    "factors for columns": lambda: with_constants("Mul", (8,)),
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_every_tensor_is_that_of_onnxruntime(what):
    draft = DRAFTS[what]()
    shape = tuple(entry.dim_value for entry in draft.inputs[0].type.tensor_type.shape.dim)
    found = compare(draft.content(), list(samples(shape, 40)))
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    assert found.alone.share < 0.01
    assert found.same_class >= 39


def test_float_constants_are_quantized(tmp_path):
    draft = with_constants("Add", (1, 4, 8, 8), is_float=True)
    graph = load_model(str(draft.write(tmp_path / "net.onnx")))
    (node,) = (node for node in graph.nodes if node.operator == "add")
    terms = graph.values[node.inputs[1]]
    real = np.moveaxis(
        np.frombuffer(draft.constants["numbers_real"].raw_data, np.float32).reshape(4, 8, 8), 0, -1
    )
    assert terms.data.shape == (8, 8, 4)
    assert np.abs(terms.data * terms.type.scale - real).max() <= terms.type.scale / 2


@pytest.mark.parametrize("what", DRAFTS)
def test_a_training_step_is_the_same_on_a_board(what, tmp_path, learns_alike):
    graph = load_model(str(DRAFTS[what]().write(tmp_path / "net.onnx")), 3)
    verify(graph, "reading")
    assert learns_alike(graph)


def test_a_map_is_upsampled(tmp_path):
    graph = load_model(str(resized((1, 1, 2, 3)).write(tmp_path / "net.onnx")))
    (node,) = (node for node in graph.nodes if node.operator == "upsample")
    assert node.attributes == UpsampleAttributes(2, 3)


def test_expanded_factors_are_read_once(tmp_path):
    graph = load_model(str(gated().write(tmp_path / "net.onnx")))
    (product,) = (node for node in graph.nodes if node.operator == "multiply")
    assert graph.type_of(product.inputs[1]).shape == (1, 1, 6)


def expanded_rows():
    draft = Draft((1, 6, 4, 4))
    x = draft.pool(draft.conv("sample_q", 6), window=(1, 4), shape=(1, 6, 4, 1))
    like = [draft.constant("like", np.array([1, 6, 4, 4]))]
    return ended(draft, draft.like("Expand", x, (1, 6, 4, 4), like))


def two_expansions():
    draft = Draft((1, 6, 4, 4))
    x = draft.pool(draft.conv("sample_q", 6))
    for stem, extent in (("a", 4), ("b", 4)):
        like = [draft.constant(stem, np.array([1, 6, extent, extent]))]
        x = draft.like("Expand", x, (1, 6, 4, 4), like)
    return ended(draft, x)


WHOLE = "kilograd resizes maps by repeating each row or column a whole number of times"

REFUSED = {
    "linearly": (lambda: resized((1, 1, 2, 2), mode="linear"), "it resizes by linear, and"),
    "half as large again": (
        lambda: resized((1, 1, 1.5, 1)),
        f"it makes 6 rows or columns of 4, and {WHOLE}",
    ),
    "smaller": (
        lambda: resized((1, 1, 0.25, 1)),
        f"it makes 1 rows or columns of 4, and {WHOLE}",
    ),
    "in its channels": (
        lambda: resized((1, 2, 1, 1)),
        f"it resizes dimension 1 of [1, 4, 4, 5], {WHOLE}",
    ),
    "from a box": (
        lambda: resized((1, 1, 2, 2), coordinate_transformation_mode="tf_crop_and_resize"),
        "it finds the nearest position by tf_crop_and_resize and round_prefer_floor",
    ),
    "by other places": (
        lambda: resized((1, 1, 3, 3), coordinate_transformation_mode="align_corners"),
        "it makes 12 rows or columns of 4",
    ),
    "to nothing": (lambda: resized((1, 1, 0, 1)), "is damaged: node"),
    "by scales of other dimensions": (
        lambda: resized((1, 1, 2, 2), axes=(2, 2)),
        "it resizes the dimensions [2, 2] of 4 by [2.0, 2.0]",
    ),
    "expanded to other extents": (
        lambda: gated(spread=(1, 6, 8, 8)),
        "it multiplies maps of the shapes [1, 6, 4, 4] and [1, 6, 8, 8]",
    ),
    "expanded rows": (expanded_rows, "it expands [1, 6, 4, 1] to [1, 6, 4, 4], and kilograd"),
    "expanded twice": (two_expansions, "it expands [1, 6, 1, 1] to [1, 6, 4, 4], and kilograd"),
    "three maps": (
        lambda: of_three("Max"),
        "it takes the larger elements of other than two maps",
    ),
    "larger of a map and constants": (
        lambda: with_constants("Max", (1, 4, 8, 8)),
        "it computes with a constant of the shape [1, 4, 8, 8], and kilograd's functions",
    ),
    "difference of maps of other extents": (
        lambda: of_two(strides=(2, 1)),
        "it subtracts maps of the shapes [1, 4, 4, 8] and [1, 4, 8, 8]",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_is_refused(what, tmp_path):
    make, message = REFUSED[what]
    with pytest.raises(ModelError) as caught:
        load_model(str(make().write(tmp_path / "net.onnx")))
    assert message in str(caught.value)
