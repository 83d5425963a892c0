"""Layers of .tflite files that split maps in their channels, and shuffle these."""

import numpy as np
import pytest
from micro import assert_same_bytes
from tflite_drafts import ended
from tflite_files import Draft, DraftOperator

from kilograd import load_scheme
from kilograd.compiler import compile_model
from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.measuring.equivalence import verify_devices


def integers(draft, name, numbers):
    return draft.constant(name, np.array(numbers, np.int32))


def taken(draft, x, begin, size):
    """A SLICE."""
    shape = [
        extent - first if count == -1 else count
        for extent, first, count in zip(draft.tensors[x].shape, begin, size, strict=True)
    ]
    numbers = [integers(draft, "begin", begin), integers(draft, "size", size)]
    return draft.like("SLICE", x, shape, *numbers)


def strided(draft, x, begin, end, shape, strides=(1, 1, 1, 1), **masks):
    """A STRIDED_SLICE."""
    numbers = [
        integers(draft, name, given)
        for name, given in (("begin", begin), ("end", end), ("strides", strides))
    ]
    return draft.like("STRIDED_SLICE", x, shape, *numbers, table="StridedSliceOptions", **masks)


def split(draft, x, sizes, axis=3, *, by_sizes=False):
    """A SPLIT into equal parts, or a SPLIT_V."""
    given = draft.tensors[x]
    results = []
    for place, size in enumerate(sizes):
        shape = list(given.shape)
        shape[axis] = size
        results.append(draft.tensor(f"part{place}", shape, "int8", given.scales, given.zeros))
    number = integers(draft, "axis", axis) if not by_sizes else integers(draft, "axis", [axis])
    if by_sizes:
        inputs, table = [x, integers(draft, "sizes", sizes), number], "SplitVOptions"
    else:
        inputs, table = [number, x], "SplitOptions"
    operator = "SPLIT_V" if by_sizes else "SPLIT"
    options = {"NumSplits": len(sizes)}
    draft.operators.append(DraftOperator(operator, inputs, results, table, options))
    return results


def shuffle(draft, x, groups):
    """As Keras has it: channels in two dimensions, which change places."""
    shape = draft.tensors[x].shape
    x = draft.reshape(x, (*shape[:3], groups, shape[3] // groups))
    return draft.reshape(draft.transpose(x, (0, 1, 2, 4, 3)), shape)


def begun():
    draft = Draft((1, 6, 5, 3))
    return draft, draft.conv(0, (1, 6, 5), 12)


def mixed(*, by_sizes=False):
    """A block of ShuffleNetV2."""
    draft, x = begun()
    sizes = (4, 8) if by_sizes else (6, 6)
    kept, other = split(draft, x, sizes, by_sizes=by_sizes)
    other = draft.conv(other, (1, 6, 5), 6, taps=(1, 1), scale=0.07, zero=5)
    kept = draft.conv(kept, (1, 6, 5), 6, taps=(1, 1), scale=0.07, zero=5)
    x = draft.concatenate([kept, other], 3, (1, 6, 5, 12))
    x = shuffle(draft, x, 3)
    return ended(draft, draft.conv(x, (1, 6, 5), 4))


def sliced():
    draft, x = begun()
    return ended(draft, draft.conv(taken(draft, x, (0, 0, 0, 2), (1, 6, 5, 7)), (1, 6, 5), 4))


def sliced_to_the_end():
    draft, x = begun()
    return ended(draft, draft.conv(taken(draft, x, (0, 0, 0, 2), (-1, -1, -1, -1)), (1, 6, 5), 4))


def strided_slice():
    """As `x[..., 3:-1]` is converted."""
    draft, x = begun()
    masks = {"BeginMask": 0b0111, "EndMask": 0b0111}
    x = strided(draft, x, (0, 0, 0, 3), (0, 0, 0, -1), (1, 6, 5, 8), **masks)
    return ended(draft, draft.conv(x, (1, 6, 5), 4))


def sliced_vector():
    draft, x = begun()
    x = draft.mean(x, (1, 2), (1, 12))
    draft.dense(taken(draft, x, (0, 4), (1, 8)), 3)
    return draft


def in_time(change):
    """Along time, as Conv1D is converted: convolutions of maps, and the rest of sequences."""
    draft = Draft((1, 1, 9, 3))
    x = draft.reshape(draft.conv(0, (1, 1, 9), 6, taps=(1, 3)), (1, 9, 6))
    x = change(draft, x)
    x = draft.reshape(x, (1, 1, *draft.tensors[x].shape[1:]))
    return ended(draft, draft.conv(x, (1, 1, 9), 4, taps=(1, 3)))


DRAFTS = {
    "sliced in time": lambda: in_time(lambda d, x: taken(d, x, (0, 0, 2), (1, 9, 3))),
    "split and shuffled": mixed,
    "split by sizes": lambda: mixed(by_sizes=True),
    "sliced": sliced,
    "sliced to the end": sliced_to_the_end,
    "strided slice": strided_slice,
    "sliced vector": sliced_vector,
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_bytes_are_those_of_tensorflow_lite_micro(what, tmp_path):
    assert_same_bytes(DRAFTS[what]().write(tmp_path / "net.tflite"), 6)


def joined_in_time():
    return in_time(lambda draft, x: draft.concatenate([x, x], 2, (1, 9, 12)))


@pytest.mark.oracle
def test_sequences_are_joined_step_by_step(tmp_path):
    assert_same_bytes(joined_in_time().write(tmp_path / "net.tflite"), 6)


def test_joined_sequences_are_no_longer_than_one(tmp_path):
    graph = load_model(str(joined_in_time().write(tmp_path / "net.tflite")))
    (joined,) = (node for node in graph.nodes if node.operator == "concatenate")
    assert graph.type_of(joined.outputs[0]).shape == (1, 9, 12)


@pytest.mark.parametrize("what", DRAFTS)
def test_what_is_split_and_shuffled_trains(what, tmp_path):
    graph = load_model(str(DRAFTS[what]().write(tmp_path / "net.tflite")))
    assert any(node.operator.startswith("channel_") for node in graph.nodes)
    program = compile_model(graph, load_scheme("full", graph))
    assert verify_devices(program, ["reference", "host"], steps=2).identical


def refusal(draft, folder):
    with pytest.raises(ModelError) as caught:
        load_model(str(draft.write(folder / "net.tflite")))
    return str(caught.value)


def test_damaged_slices_are_refused(tmp_path):
    draft, x = begun()
    ended(draft, draft.conv(taken(draft, x, (0, 0, 0, 9), (1, 6, 5, 7)), (1, 6, 5), 4))
    assert "it takes [0, 0, 0, 9] up to [1, 6, 5, 16] of the shape [1, 6, 5, 12]" in refusal(
        draft, tmp_path
    )
    draft = sliced()
    draft.tensors[draft.operators[1].inputs[1]].data = np.zeros(3, np.int32)
    draft.tensors[draft.operators[1].inputs[1]].shape = (3,)
    assert "it takes [1, 6, 5, 7] from [0, 0, 0] on, of the shape" in refusal(draft, tmp_path)
    draft = mixed()
    draft.tensors[draft.operators[1].outputs[0]].shape = (1, 6, 5, 5)
    assert "it splits 12 into [5, 6]" in refusal(draft, tmp_path)
