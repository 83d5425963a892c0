"""Layers of .onnx files that split maps in their channels, and shuffle these."""

import numpy as np
import pytest
from onnx_drafts import ended
from onnx_files import Draft
from runtime import compare, samples

from kilograd.compiler import compile_model
from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.measuring.equivalence import verify_devices
from kilograd.scheme import load_scheme


def integers(draft, numbers):
    return draft.constant(draft.unused("numbers"), np.array(numbers, np.int64))


def split(draft, x, shapes, sizes=None, **attributes):
    """Several results, each quantized as the map is."""
    more = [] if sizes is None else [integers(draft, sizes)]
    if sizes is None:
        attributes["num_outputs"] = len(shapes)
    parts = [draft.unused("part") for _ in shapes]
    draft.node("Split", [draft.dequantize(x), *more], parts, **{"axis": 1} | attributes)
    scale, zero = draft.quantizations[x]
    return [
        draft.quantize(part, shape, scale, zero, f"{part}_q")
        for part, shape in zip(parts, shapes, strict=True)
    ]


def shuffle(draft, x, groups):
    """As PyTorch writes it: two reshapes, and a transpose between them."""
    count, channels, *positions = draft.shapes[x]
    inner = (count, groups, channels // groups, *positions)
    x = draft.like("Reshape", x, inner, [integers(draft, inner)])
    order = (0, 2, 1, *range(3, len(inner)))
    x = draft.like("Transpose", x, tuple(inner[axis] for axis in order), perm=order)
    shape = (count, channels, *positions)
    return draft.like("Reshape", x, shape, [integers(draft, (0, -1, *positions))])


def mixed(sizes=None, shape=(1, 3, 6, 5), **attributes):
    """A block of ShuffleNetV2."""
    draft = Draft(shape)
    window = (3,) * len(shape[2:])
    x = draft.conv("sample_q", 12, window)
    halves = sizes or (6, 6)
    kept, other = split(draft, x, [(1, size, *shape[2:]) for size in halves], sizes, **attributes)
    other = draft.conv(other, 6, (1,) * len(window))
    spread = 40 * max(draft.quantizations[part][0] for part in (kept, other))
    channels = halves[0] + 6
    x = draft.append("Concat", [kept, other], (1, channels, *shape[2:]), spread, axis=1)
    return ended(draft, draft.conv(shuffle(draft, x, 2), 4, window))


def sliced(starts, ends, shape, *more):
    draft = Draft((1, 3, 6, 5))
    x = draft.conv("sample_q", 12)
    numbers = [integers(draft, given) for given in (starts, ends, *more)]
    return ended(draft, draft.conv(draft.like("Slice", x, shape, numbers), 4))


def sliced_vector():
    draft = Draft((1, 3, 6, 5))
    x = draft.like(
        "ReduceMax", draft.conv("sample_q", 12), (1, 12), [integers(draft, [2, 3])], keepdims=0
    )
    numbers = [integers(draft, given) for given in ([3], [99], [1])]
    return draft.finish(draft.gemm(draft.like("Slice", x, (1, 9), numbers), 3))


def gathered(index, axis=-1, shape=(1, 3, 16), made=(1, 12)):
    """One place along a dimension; a number drops it."""
    draft = Draft(shape)
    x = draft.conv("sample_q", 12, *([(3,)] if len(shape) == 3 else []))
    number = draft.constant("index", np.array(index, np.int64))
    x = draft.like("Gather", x, made, [number], axis=axis)
    return (
        draft.finish(draft.gemm(x, 3))
        if len(made) == 2
        else ended(draft, draft.conv(x, 4, *WINDOWS[len(made)]))
    )


#: Of a convolution, by the number of its map's dimensions.
WINDOWS = {3: [(3,)], 4: []}


DRAFTS = {
    "halves": mixed,
    "by sizes": lambda: mixed((4, 8), axis=-3),
    "in time": lambda: mixed(shape=(1, 3, 16)),
    "sliced": lambda: sliced([2], [9], (1, 7, 6, 5), [1]),
    "sliced to the end": lambda: sliced([-5], [2**31], (1, 5, 6, 5), [-3], [1]),
    "sliced, others whole": lambda: sliced([0, 2, 0], [1, 9, 6], (1, 7, 6, 5)),
    "sliced vector": sliced_vector,
    "cropped": lambda: sliced([1, 0], [-1, 4], (1, 12, 4, 4), [2, 3]),
    "sliced and cropped": lambda: sliced([3, 1], [9, 5], (1, 6, 4, 5), [1, 2]),
    "last step": lambda: gathered(-1),
    "one step that stays": lambda: gathered([5], made=(1, 12, 1)),
    "one row": lambda: gathered(2, 2, (1, 3, 6, 5), (1, 12, 5)),
    "one column": lambda: gathered(2, 3, (1, 3, 6, 5), (1, 12, 6)),
    "every second row, cropped": lambda: sliced([1, 1], [6, 4], (1, 12, 3, 3), [2, 3], [2, 1]),
    "every third column of some channels": lambda: sliced(
        [4, 0, 1], [9, 6, 5], (1, 5, 6, 2), [1, 2, 3], [1, 1, 3]
    ),
}  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_every_tensor_is_that_of_onnxruntime(what):
    draft = DRAFTS[what]()
    shape = [dim.dim_value for dim in draft.inputs[0].type.tensor_type.shape.dim]
    found = compare(draft.content(), list(samples(shape, 40)))
    assert found.alone.most <= 1
    assert found.chained.most <= 2
    assert found.same_class >= 39


@pytest.mark.parametrize("what", DRAFTS)
def test_what_is_split_and_shuffled_trains(what, tmp_path):
    graph = load_model(str(DRAFTS[what]().write(tmp_path / "net.onnx")))
    assert any(
        node.operator.startswith("channel_") or "_border" in node.layer for node in graph.nodes
    )
    program = compile_model(graph, load_scheme("full", graph))
    assert verify_devices(program, ["reference", "host"], steps=2).identical


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mixed((4, 9)), "it splits 12 into [4, 9] for 2 results"),
        (
            lambda: sliced([9], [0], (1, 9, 6, 5), [1], [-1]),
            "it takes every so many elements of dimension 1, -1, and kilograd takes every so many",
        ),
        (
            lambda: sliced([5], [0], (1, 12, 5, 5), [2], [-1]),
            "it takes every so many elements of dimension 2, -1, and kilograd",
        ),
        (lambda: sliced([4], [2], (1, 12, 1, 5), [2], [2]), "it takes nothing, 4 to 2"),
        (
            lambda: sliced([0, 0], [6, 5], (1, 12, 3, 5), [2, 3], [2]),
            "is damaged: node 7 (Slice, node_slice_10): it takes every [2] elements of the dimen",
        ),
        (
            lambda: gathered([0, 2], made=(1, 12, 2)),
            "it takes places along a dimension that do not",
        ),
        (lambda: gathered(16), "it takes place 16 of 16"),
        (
            lambda: gathered(0, 0, made=(12, 16)),
            "it reads 16 of 192 elements at a time",
        ),
        (
            lambda: sliced([2, 5], [9, 9], (1, 7, 6, 5), [1, -3]),
            "it takes [2, 5] to [9, 9] of the dimensions [1, 1]",
        ),
        (lambda: sliced([5], [5], (1, 1, 6, 5), [1]), "it takes nothing, 5 to 5"),
        (lambda: sliced([5], [9], (1, 1, 6, 5), [4]), "it takes a part of dimension 4 of 4"),
    ],
)
def test_what_is_not_channels_alone_is_refused(make, message, tmp_path):
    with pytest.raises(ModelError) as caught:
        load_model(str(make().write(tmp_path / "net.onnx")))
    assert message in str(caught.value)
