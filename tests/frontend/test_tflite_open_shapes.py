"""Networks for batches of any size: shapes that are computed while they run, or left open.

TensorFlow Lite Micro needs all shapes in the file; such a network is compared with the same one for
a batch of one.
"""

import numpy as np
import pytest
from alike import described
from tflite_drafts import ended
from tflite_files import RELU, SAME, VALID, Draft

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model


class Open:
    """What converters write for a batch of one, or of any size."""

    def __init__(self, *, is_open):
        self.draft = Draft((1, 6, 4, 3))
        self.is_open = is_open
        if is_open:
            self.draft.tensors[0].signature = (-1, 6, 4, 3)

    def whole(self, data):
        return self.draft.constant("whole", np.array(data, np.int32))

    def computed(self, operator, reads, shape, table=None, **options):
        number = self.draft.append(operator, reads, shape, table, **options)
        made = self.draft.tensors[number]
        made.dtype, made.scales, made.zeros = "int32", (), ()
        return number

    def placed(self, x, shape, signature):
        """A result whose shape the file has as a placeholder."""
        if self.is_open:
            tensor = self.draft.tensors[x]
            tensor.shape, tensor.signature = shape, signature
        return x

    def shape_of(self, x):
        return self.computed("SHAPE", [x], (len(self.draft.tensors[x].shape),), "ShapeOptions")

    def at(self, numbers, place):
        """One element of a list."""
        ends = [self.whole([place]), self.whole([place + 1]), self.whole([1])]
        return self.computed(
            "STRIDED_SLICE", [numbers, *ends], (), "StridedSliceOptions", ShrinkAxisMask=1
        )

    def packed(self, *numbers):
        return self.computed(
            "PACK", numbers, (len(numbers),), "PackOptions", ValuesCount=len(numbers), Axis=0
        )

    def reshape(self, x, shape, like=None):
        """To a shape whose batch is that of a value."""
        if not self.is_open:
            return self.draft.reshape(x, shape)
        batch = self.at(self.shape_of(x if like is None else like), 0)
        target = self.packed(batch, *(self.whole(extent) for extent in shape[1:]))
        return self.draft.like("RESHAPE", x, shape, target)


def flattened(net):
    x = net.draft.conv(0, (1, 6, 4), 4)
    net.draft.dense(net.reshape(x, (1, 96)), 3)


def dense_at_each_position(net):
    """As converters write a dense layer behind a map, by Tensordot."""
    draft = net.draft
    x = draft.conv(0, (1, 6, 4), 5)
    if net.is_open:
        shape = net.shape_of(x)
        before = net.computed(
            "GATHER", [shape, net.whole([0, 1, 2])], (3,), "GatherOptions", Axis=0
        )
        rows = net.computed("REDUCE_PROD", [before, net.whole([0])], (), "ReducerOptions")
        last = net.computed("GATHER", [shape, net.whole([3])], (1,), "GatherOptions", Axis=0)
        columns = net.computed("REDUCE_PROD", [last, net.whole([0])], (), "ReducerOptions")
        y = draft.like("RESHAPE", x, (24, 5), net.packed(rows, columns))
        net.placed(y, (1, 1), (-1, -1))
        after = net.computed(
            "CONCATENATION", [before, net.whole([7])], (4,), "ConcatenationOptions", Axis=0
        )
    else:
        y, after = draft.reshape(x, (24, 5)), net.whole([1, 6, 4, 7])
    weight = draft.weights(x, (7, 5), 0, 1)
    y = draft.append("FULLY_CONNECTED", [y, *weight], (24, 7), "FullyConnectedOptions")
    net.placed(y, (1, 7), (-1, 7))
    y = draft.like("RESHAPE", y, (1, 6, 4, 7), after)
    if net.is_open:
        draft.tensors[y].signature = (-1, 6, 4, 7)
    ended(draft, y)


def upsampled(net):
    """Rows that are repeated, and all kinds of layers behind them, whose height is left open."""
    draft = net.draft
    x = draft.conv(0, (1, 6, 4), 4)
    y = draft.like("EXPAND_DIMS", x, (1, 6, 1, 4, 4), net.whole(2))
    y = draft.like("TILE", y, (1, 6, 2, 4, 4), net.whole([1, 1, 2, 1, 1]))
    if net.is_open:
        shape = net.shape_of(x)
        doubled = net.computed("MUL", [net.at(shape, 1), net.whole(2)], (), "MulOptions")
        target = net.packed(net.at(shape, 0), doubled, net.whole(4), net.whole(4))
    else:
        target = net.whole([1, 12, 4, 4])
    x = draft.like("RESHAPE", y, (1, 12, 4, 4), target)
    behind = [
        lambda: draft.conv(x, (1, 12, 4), 6, FusedActivationFunction=RELU, zero=-128),
        lambda: draft.depthwise(x, (1, 6, 2), 6, strides=(2, 2), padding=SAME),
        lambda: draft.append("TANH", [x], (1, 6, 2, 6), scale=1 / 128, zero=0),
        lambda: draft.add(x, x),
        lambda: draft.pad(x, ((0, 0), (1, 1), (0, 1), (0, 0))),
        lambda: draft.conv(x, (1, 6, 2), 4, taps=(3, 2), padding=VALID),
        lambda: draft.pool(x, (2, 1), (1, 3, 2, 4), "MAX_POOL_2D", StrideH=2),
        lambda: draft.concatenate([x, x], 3, (1, 3, 2, 8)),
        lambda: draft.transpose(x, (0, 3, 1, 2)),
        lambda: draft.transpose(x, (0, 2, 3, 1)),
    ]
    net.placed(x, (1, 1, 4, 4), (-1, -1, 4, 4))
    for append in behind:
        x = append()
        made = draft.tensors[x].shape
        places = {"TRANSPOSE": 2 if made[1] == 8 else 1}
        at = places.get(draft.operators[-1].operator, 1)
        signature = tuple(-1 if n in {0, at} else e for n, e in enumerate(made))
        net.placed(x, tuple(1 if n == at else e for n, e in enumerate(made)), signature)
    x = draft.mean(x, (1, 2), (1, 8))
    draft.dense(x, 3)


NETWORKS = {
    "flattened": flattened,
    "dense at each position": dense_at_each_position,
    "upsampled": upsampled,
}


def made(what, *, is_open):
    net = Open(is_open=is_open)
    NETWORKS[what](net)
    return net.draft


@pytest.mark.parametrize("what", NETWORKS)
def test_a_network_for_any_batch_is_that_for_a_batch_of_one(what, load):
    one, other = load(made(what, is_open=False)), load(made(what, is_open=True))
    assert described(one) == described(other)


def changed(change):
    draft = made("flattened", is_open=True)
    change(draft)
    return draft


def operators(draft, name):
    return [operator for operator in draft.operators if operator.operator == name]


def tensor(draft, place):
    return draft.tensors[operators(draft, "STRIDED_SLICE")[0].inputs[place]]


def many(draft):
    """More numbers than a shape has."""
    (pack,) = operators(draft, "PACK")
    pack.inputs = [pack.inputs[0]] * 40


def out_of_range(draft):
    tensor(draft, 1).data = np.array([9], np.int32)


def of_two_dimensions(draft):
    for place in (1, 2, 3):
        tensor(draft, place).data = np.array([0, 1], np.int32)
        tensor(draft, place).shape = (2,)


def into_a_constant(draft):
    operators(draft, "SHAPE")[0].outputs = operators(draft, "PACK")[0].inputs[1:2]


def of_an_open_map(draft):
    """Of which nothing tells the height: a shape of that is none."""
    draft.tensors[operators(draft, "CONV_2D")[0].outputs[0]].signature = (-1, -1, 4, 4)
    operators(draft, "CONV_2D")[0].operator = "RSQRT"


WRONG = {
    "too many numbers": (many, "it computes 40 numbers of shapes"),
    "out of range": (out_of_range, "IndexError"),
    "two dimensions": (of_two_dimensions, "it takes a part of the shape"),
    "into a constant": (into_a_constant, "its result is a constant"),
    "of an open map": (of_an_open_map, "RSQRT"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(what, tmp_path):
    change, message = WRONG[what]
    path = changed(change).write(tmp_path / "net.tflite")
    with pytest.raises(ModelError) as error:
        load_model(str(path))
    assert message in str(error.value)
