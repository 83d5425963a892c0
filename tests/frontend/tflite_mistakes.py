"""Drafts of .tflite files that hold what kilograd cannot carry."""

import numpy as np
from tflite_borders import filled
from tflite_files import VALID, Draft, small_network


def changed(change):
    """A network with one of every layer, spoilt."""

    def make():
        draft = small_network()
        change(draft)
        return draft

    return make


def ending(append, shape=(1, 6, 6, 3)):
    """A network whose layer before the head is another."""

    def make():
        draft = Draft(shape)
        x = append(draft)
        draft.dense(x, 3)
        return draft

    return make


def set_option(place, **options):
    return changed(lambda d: d.operators[place].options.update(options))


def set_weight(place, **members):
    return changed(
        lambda d: [setattr(d.tensors[d.operators[place].inputs[1]], *m) for m in members.items()]
    )


def set_result(place, **members):
    return changed(
        lambda d: [setattr(d.tensors[d.operators[place].outputs[0]], *m) for m in members.items()]
    )


def every_type(dtype):
    def change(draft):
        for tensor in draft.tensors:
            if tensor.dtype == "int8" and tensor.data is None:
                tensor.dtype = dtype

    return change


def float_network(draft):
    every_type("float32")(draft)
    weight = draft.tensors[draft.operators[0].inputs[1]]
    weight.data, weight.dtype = weight.data.astype(np.float32), "float32"


def second_input(draft):
    draft.inputs.append(draft.tensor("mask", (1, 6, 6, 3), "int8", (0.1,), (0,)))


def bias_of_int64(draft):
    bias = draft.tensors[draft.operators[0].inputs[2]]
    bias.data, bias.dtype = bias.data.astype(np.int64), "int64"


def variable_weight(draft):
    draft.tensors[draft.operators[0].inputs[1]].data = None


def large_bias(draft):
    """In the middle of int8, where the channel is not constant."""
    weight, bias = (draft.tensors[number] for number in draft.operators[0].inputs[1:])
    bias.data[1] = 2**30
    weight.scales = (weight.scales[0], 100.5 * 2.0**-30 * 0.07 / 0.05, *weight.scales[2:])


def rescaling_pool(draft):
    x = draft.pool(0, (6, 6), (1, 1, 1, 3))
    draft.tensors[x].scales = (0.06,)
    return x


def padded_channels(draft):
    x = filled(draft, 0, ((0, 0), (0, 0), (0, 0), (0, 1)), -128)
    return draft.conv(x, (1, 6, 6), 4)


def reordered(draft, order):
    """A map with its dimensions in another order."""
    return draft.transpose(draft.conv(0, (1, 6, 6), 3), order)


def padded_by_a_variable(draft):
    x = draft.pad(0, ((0, 0), (1, 1), (1, 1), (0, 0)))
    draft.tensors[draft.operators[0].inputs[1]].data = None
    return draft.conv(x, (1, 6, 6), 4, padding=VALID)


def several_rows(draft):
    weight = draft.weights(0, (4, 18), 0, 1)
    return draft.append("FULLY_CONNECTED", [0, *weight], (6, 4), "FullyConnectedOptions")


def constant_added(draft):
    other = draft.constant("other", np.ones((1, 3, 6, 3), np.int8), (0.1,))
    return draft.append("ADD", [0, other], (1, 6, 6, 3), "AddOptions")


def broadcast(draft):
    return draft.add(0, draft.conv(0, (1, 3, 3), 3, strides=(2, 2)))


def of_any(operator, **options):
    return ending(lambda d: d.append(operator, [0], (1, 6, 6, 3), name="net/odd/X", **options))


def wrong_axis(draft, x):
    draft.tensors[draft.operators[0].inputs[1]].axis = 1
    return x


def pads_of(draft, pads):
    return draft.constant("pads", pads.astype(np.int32))


def mean_over(axes):
    return ending(lambda d: d.mean(0, axes, (1, 6, 6)))


def mean_of_variable_axes(draft):
    x = draft.mean(0, (1, 2), (1, 3))
    draft.tensors[draft.operators[0].inputs[1]].data = None
    return x


def joined(axis, shape, **quantization):
    """Two maps, the second with a quantization of its own."""

    def append(draft):
        y = draft.conv(0, (1, 6, 6), 3, (1, 1), **{"scale": 0.05, "zero": -3} | quantization)
        return draft.concatenate([0, y], axis, shape)

    return ending(append)


def rescaled(draft):
    """A network whose first layer has another scale."""
    draft.tensors[draft.operators[0].outputs[0]].scales = (0.03,)
    return draft
