"""Drafts of .tflite files: small networks with each of the layers that are carried."""

import numpy as np
from tflite_files import RELU, RELU6, SAME, VALID, Draft, regression, small_network


def ended(draft, x):
    """The draft with a head behind a map."""
    _, height, width, channels = draft.tensors[x].shape
    if (height, width) != (1, 1):
        x = draft.pool(x, (height, width), (1, 1, 1, channels))
    draft.dense(x, 3)
    return draft


def convolution(shape, result, taps, strides, padding, dilations=(1, 1)):
    draft = Draft(shape)
    options = {"DilationHFactor": dilations[0], "DilationWFactor": dilations[1]}
    return ended(draft, draft.conv(0, (1, *result), 4, taps, strides, padding, **options))


def depthwise(shape, result, taps, strides, padding, dilations):
    draft = Draft(shape)
    options = {"DilationHFactor": dilations[0], "DilationWFactor": dilations[1]}
    return ended(
        draft, draft.depthwise(0, (1, *result), shape[3], taps, strides, padding, **options)
    )


def causal():
    """Dilated convolutions along time that read nothing ahead: padding before them only."""
    draft = Draft((1, 1, 20, 3))
    x = 0
    for dilation in (1, 2, 4):
        padded = draft.pad(x, ((0, 0), (0, 0), (2 * dilation, 0), (0, 0)))
        y = draft.conv(padded, (1, 1, 20), 3, (1, 3), (1, 1), VALID, DilationWFactor=dilation)
        x = draft.add(x, y)
    return ended(draft, x)


def several_filters():
    draft = Draft((1, 6, 6, 1))
    return ended(draft, draft.depthwise(0, (1, 3, 3), 5, (4, 3), (2, 2)))


def filters_on_each_channel():
    """One that is padded by the layer before it, then one with a window that is dilated."""
    draft = Draft((1, 6, 7, 3))
    x = draft.pad(0, ((0, 0), (1, 0), (0, 2), (0, 0)))
    x = draft.depthwise(x, (1, 3, 4), 6, (3, 3), (2, 2), VALID)
    dilations = {"DilationHFactor": 2, "DilationWFactor": 1}
    return ended(draft, draft.depthwise(x, (1, 3, 4), 12, **dilations))


def grouped(group, taps=(3, 3), outputs=12):
    draft = Draft((1, 5, 4, 6))
    return ended(draft, draft.conv(0, (1, 5, 4), outputs, taps, group=group))


def padded():
    """Two layers that read one padded map, and padding around padding."""
    draft = Draft((1, 5, 6, 3), seed=4)
    x = draft.pad(0, ((0, 0), (1, 0), (2, 1), (0, 0)))
    a = draft.conv(x, (1, 4, 7), 3, (3, 3), (1, 1), VALID)
    b = draft.depthwise(x, (1, 4, 7), 3, (3, 3), (1, 1), VALID)
    x = draft.pad(draft.add(a, b), ((0, 0), (0, 1), (0, 0), (0, 0)))
    x = draft.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))
    return ended(draft, draft.conv(x, (1, 6, 7), 4, (3, 3), (1, 1), SAME))


def hidden_dense():
    draft = Draft((1, 5, 4, 2))
    x = draft.dense(draft.conv(0, (1, 5, 4), 3), 6)
    x = draft.dense(x, 7, scales=7, FusedActivationFunction=RELU, zero=-128)
    draft.softmax(draft.dense(x, 3))
    return draft


def flattened():
    draft = Draft((1, 5, 4, 2))
    x = draft.reshape(draft.conv(0, (1, 5, 4), 3), (1, 60))
    draft.dense(draft.dense(x, 6), 3)
    return draft


def without_bias():
    draft = Draft((1, 8))
    draft.dense(draft.dense(0, 6), 3)
    draft.operators[0].inputs[2] = -1
    draft.operators[1].inputs.pop()
    return draft


def convolution_as_head():
    draft = Draft()
    x = draft.pool(draft.conv(0, (1, 6, 6), 4), (6, 6), (1, 1, 1, 4), StrideH=2, StrideW=2)
    x = draft.conv(x, (1, 1, 1), 3, (1, 1))
    draft.softmax(draft.reshape(x, (1, 3)))
    return draft


def float_ends():
    draft = Draft((1, 36), dtype="float32")
    draft.tensors[0].scales = draft.tensors[0].zeros = ()
    x = draft.append("QUANTIZE", [0], (1, 36), scale=0.01, zero=4)
    x = draft.reshape(x, (1, 6, 6, 1))
    x = draft.dense(draft.conv(x, (1, 3, 3), 4, strides=(2, 2)), 5)
    x = draft.append("LOGISTIC", [draft.dense(x, 3)], (1, 3), scale=1 / 256, zero=-128)
    draft.append("DEQUANTIZE", [x], (1, 3))
    draft.tensors[-1].dtype = "float32"
    return draft


def unsigned_ends():
    draft = Draft((1, 8), dtype="uint8", zero=125)
    x = draft.append("QUANTIZE", [0], (1, 8), scale=0.05, zero=-3)
    x = draft.append("QUANTIZE", [draft.dense(draft.dense(x, 6), 3)], (1, 3), zero=128)
    draft.tensors[x].dtype = "uint8"
    return draft


def clamped():
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 4, FusedActivationFunction=RELU6, scale=6 / 255, zero=-128)
    return ended(draft, draft.add(x, x, FusedActivationFunction=RELU, zero=-128))


def activated(operator, scale, zero, shape=(1, 6, 6)):
    """An activation function that is a layer of its own."""
    draft = Draft()
    x = draft.conv(0, shape, 4)
    draft.tensors[x].scales, draft.tensors[x].zeros = (0.09,), (11,)
    if operator == "RELU6":
        draft.tensors[x].scales, draft.tensors[x].zeros = (scale,), (zero,)
    x = draft.append(operator, [x], (*shape, 4), scale=scale, zero=zero)
    return ended(draft, draft.conv(x, shape, 5))


def dead_channels():
    """Weights of zero with a scale that has gone to nothing, and a bias past an accumulator."""
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 6)
    weight, bias = (draft.tensors[number] for number in draft.operators[0].inputs[1:])
    weight.data[2] = 0
    weight.scales = (*weight.scales[:2], 1e-9, *weight.scales[3:])
    bias.data[2] = 2**31 - 1
    return ended(draft, x)


def pool(operator, window, strides, padding, result, shape=(1, 7, 8, 3)):
    draft = Draft(shape)
    options = {"StrideH": strides[0], "StrideW": strides[1], "Padding": padding}
    x = draft.conv(0, (1, *shape[1:3]), 5)
    return ended(draft, draft.pool(x, window, (1, *result, 5), operator, **options))


def padded_for_a_max_pool():
    """As Keras begins its residual networks: zeros around what a ReLU has left."""
    draft = Draft((1, 7, 8, 3))
    x = draft.conv(0, (1, 7, 8), 5, FusedActivationFunction=RELU, zero=-128)
    x = draft.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = draft.pool(x, (3, 3), (1, 4, 4, 5), "MAX_POOL_2D", StrideH=2, StrideW=2)
    return ended(draft, draft.conv(x, (1, 4, 4), 4))


def dense_at_each_position(*, keeps=False):
    """As converters write a dense layer of a sequence, whose steps are as samples of a batch."""
    draft = Draft((1, 1, 6, 5))
    x = draft.reshape(draft.conv(0, (1, 1, 6), 4), (1, 6, 4) if keeps else (6, 4))
    weight = draft.weights(x, (7, 4), 0, 1)
    x = draft.append(
        "FULLY_CONNECTED",
        [x, *weight],
        (1, 6, 7) if keeps else (6, 7),
        "FullyConnectedOptions",
        KeepNumDims=keeps,
    )
    draft.dense(draft.mean(x if keeps else draft.reshape(x, (1, 6, 7)), (1,), (1, 7)), 3)
    return draft


def mean(**options):
    """Over a map that needs a layer before it."""
    draft = Draft((1, 7, 5, 2))
    draft.dense(draft.mean(draft.conv(0, (1, 7, 5), 6), (1, 2), (1, 6), **options), 3)
    return draft


def mean_over(axes, shape, *, transposed=None, **options):
    """Over some dimensions of a map, which may be reordered first, and a dense layer behind it."""
    draft = Draft((1, 7, 5, 2))
    x = draft.conv(0, (1, 7, 5), 6)
    if transposed is not None:
        x = draft.transpose(x, transposed)
    x = draft.mean(x, axes, shape, **options)
    if len(shape) > 2:
        x = draft.reshape(x, (1, int(np.prod(shape))))
    draft.dense(x, 3)
    return draft


def means_of_a_reordered_map():
    """The width first, then the height, as converters from PyTorch have it."""
    draft = Draft((1, 7, 5, 2))
    x = draft.transpose(draft.conv(0, (1, 7, 5), 6), (0, 3, 1, 2))
    draft.dense(draft.mean(draft.mean(x, (3,), (1, 6, 7)), (2,), (1, 6), scale=0.01), 3)
    return draft


def flattened_channels_first(*, has_hidden=False):
    draft = Draft()
    x = draft.transpose(draft.conv(0, (1, 6, 6), 4), (0, 3, 1, 2))
    x = draft.reshape(x, (1, 144))
    draft.dense(draft.dense(x, 5) if has_hidden else x, 3)
    return draft


def there_and_back():
    draft = Draft()
    x = draft.transpose(draft.conv(0, (1, 6, 6), 4), (0, 3, 1, 2))
    return ended(draft, draft.conv(draft.transpose(x, (0, 2, 3, 1)), (1, 6, 6), 4))


def one_dimensional(squeeze="RESHAPE"):
    """As converters write a Conv1D and a mean over time behind it."""
    draft = Draft((1, 12, 3))
    axis = draft.constant("axis", np.array(1, np.int32))
    x = draft.like("EXPAND_DIMS", 0, (1, 1, 12, 3), axis)
    x = draft.conv(x, (1, 1, 6), 5, taps=(1, 3), strides=(1, 2))
    x = draft.like(squeeze, x, (1, 6, 5), draft.constant("shape", np.array((1, 6, 5), np.int32)))
    draft.dense(draft.mean(x, (1,), (1, 5)), 3)
    return draft


def computed_shape():
    """A flatten whose shape is computed, as for batches of any size."""
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 4)
    shape = draft.append("SHAPE", [x], (4,), "ShapeOptions")
    draft.tensors[shape].dtype = "int32"
    draft.dense(draft.like("RESHAPE", x, (1, 144), shape), 3)
    return draft


def requantized():
    draft = Draft()
    x = draft.append("QUANTIZE", [draft.conv(0, (1, 6, 6), 4)], (1, 6, 6, 4), scale=0.11, zero=-50)
    y = draft.append("QUANTIZE", [x], (1, 6, 6, 4), scale=0.02, zero=100)
    return ended(draft, draft.add(x, y))


def other_extents():
    draft = Draft()
    x = draft.reshape(draft.conv(0, (1, 6, 6), 4), (1, 4, 9, 4))
    return ended(draft, draft.conv(x, (1, 4, 9), 2))


def joined():
    draft = Draft()
    quantization = {"scale": 0.05, "zero": -3}
    maps = [0, *(draft.conv(0, (1, 6, 6), n, (1, 1), **quantization) for n in (2, 5))]
    return ended(draft, draft.concatenate(maps, 3, (1, 6, 6, 10)))


def joined_vectors():
    """Flattened maps, one behind the other and not channel by channel."""
    draft = Draft()
    quantization = {"scale": 0.05, "zero": -3}
    maps = [draft.conv(0, (1, 6, 6), n, (1, 1), **quantization) for n in (2, 3)]
    vectors = [draft.reshape(x, (1, 36 * n)) for x, n in zip(maps, (2, 3), strict=True)]
    draft.dense(draft.concatenate(vectors, 1, (1, 180)), 3)
    return draft


def transposed_vector():
    draft = Draft()
    x = draft.reshape(draft.pool(draft.conv(0, (1, 6, 6), 4), (6, 6), (1, 1, 1, 4)), (1, 4))
    order = draft.constant("order", np.array([0, 1], np.int32))
    draft.dense(draft.dense(draft.like("TRANSPOSE", x, (1, 4), order), 5), 3)
    return draft


def head_on_a_map():
    draft = Draft((1, 5, 4, 2))
    draft.dense(draft.conv(0, (1, 5, 4), 3), 4)
    return draft


def convolution_over_the_map():
    draft = Draft((1, 5, 4, 2))
    x = draft.conv(0, (1, 5, 4), 3)
    draft.conv(x, (1, 1, 1), 4, (5, 4), padding=VALID)
    return draft


def sigmoid():
    draft = Draft((1, 5, 4, 2))
    x = draft.dense(draft.conv(0, (1, 5, 4), 3), 1)
    draft.append("LOGISTIC", [x], (1, 1), scale=1 / 256, zero=-128)
    return draft


def channels_first_at_the_end():
    draft = Draft()
    x = draft.pool(draft.conv(0, (1, 6, 6), 4), (6, 6), (1, 1, 1, 4))
    order = draft.constant("order", np.array([0, 3, 1, 2], np.int32))
    x = draft.like("TRANSPOSE", x, (1, 4, 1, 1), order)
    draft.dense(draft.reshape(x, (1, 4)), 3)
    return draft


def lowest_weights():
    draft = small_network()
    for place in (0, 1, 2, 5, 8):
        weight = draft.tensors[draft.operators[place].inputs[1]]
        weight.data = np.where(weight.data % 3, weight.data, -128).astype(np.int8)
    return draft


AVERAGE, MAX = "AVERAGE_POOL_2D", "MAX_POOL_2D"

DRAFTS = {
    "everything": small_network,
    "same": lambda: convolution((1, 7, 5, 2), (7, 5), (3, 3), (1, 1), SAME),
    "odd padding": lambda: convolution((1, 6, 8, 2), (3, 4), (3, 3), (2, 2), SAME),
    "even window": lambda: convolution((1, 6, 5, 2), (6, 5), (4, 2), (1, 1), SAME),
    "stride above window": lambda: convolution((1, 7, 8, 3), (3, 3), (1, 2), (3, 3), SAME),
    "valid": lambda: convolution((1, 7, 8, 3), (3, 4), (3, 2), (2, 2), VALID),
    "pointwise": lambda: convolution((1, 4, 5, 3), (4, 5), (1, 1), (1, 1), SAME),
    "strided pointwise": lambda: convolution((1, 4, 5, 3), (2, 3), (1, 1), (2, 2), SAME),
    "one column": lambda: convolution((1, 9, 1, 3), (5, 1), (3, 1), (2, 1), SAME),
    "one row": lambda: convolution((1, 1, 9, 3), (1, 4), (1, 3), (1, 2), VALID),
    "strides that differ": lambda: convolution((1, 7, 9, 3), (7, 5), (3, 3), (1, 2), SAME),
    "long window": lambda: convolution((1, 12, 6, 1), (6, 6), (10, 4), (2, 1), SAME),
    "dilated": lambda: convolution((1, 8, 9, 2), (4, 5), (3, 3), (1, 1), VALID, (2, 2)),
    "dilated, padded": lambda: convolution((1, 8, 9, 2), (8, 9), (3, 2), (1, 1), SAME, (2, 3)),
    "dilated along one tap": lambda: convolution(
        (1, 6, 7, 2), (6, 5), (1, 3), (1, 1), VALID, (4, 1)
    ),
    "dilated depthwise": lambda: depthwise((1, 8, 9, 5), (8, 9), (3, 3), (1, 1), SAME, (3, 2)),
    "depthwise strides": lambda: depthwise((1, 8, 9, 5), (4, 9), (3, 3), (2, 1), SAME, (1, 1)),
    "causal": causal,
    "several filters": several_filters,
    "several filters on each channel": filters_on_each_channel,
    "grouped": lambda: grouped(2),
    "grouped, pointwise": lambda: grouped(3, (1, 1)),
    "a group for each channel": lambda: grouped(6),
    "several filters for each channel": lambda: grouped(6, outputs=18),
    "padded": padded,
    "hidden dense": hidden_dense,
    "flattened": flattened,
    "without bias": without_bias,
    "convolution as head": convolution_as_head,
    "regression": regression,
    "float ends": float_ends,
    "unsigned ends": unsigned_ends,
    "clamped": clamped,
    "dead channels": dead_channels,
    "relu": lambda: activated("RELU", 0.05, -128),
    "relu of a larger scale": lambda: activated("RELU", 0.13, -128),
    "relu6": lambda: activated("RELU6", 6 / 255, -128),
    "average pool": lambda: pool(AVERAGE, (2, 2), (2, 2), VALID, (3, 4)),
    "padded average pool": lambda: pool(AVERAGE, (3, 3), (2, 2), SAME, (4, 4)),
    "average pool of unequal strides": lambda: pool(AVERAGE, (2, 3), (1, 3), VALID, (6, 2)),
    "max pool": lambda: pool(MAX, (2, 2), (2, 2), VALID, (3, 4)),
    "padded max pool": lambda: pool(MAX, (3, 4), (2, 3), SAME, (4, 3)),
    "max pool down": lambda: pool(MAX, (4, 1), (3, 1), SAME, (3, 8)),
    "padded for a max pool": padded_for_a_max_pool,
    "dense at each position": dense_at_each_position,
    "dense at each position, which stays": lambda: dense_at_each_position(keeps=True),
    "mean": mean,
    "mean of the same scale": lambda: mean(scale=0.07, zero=5, KeepDims=False),
    "mean over rows": lambda: mean_over((1,), (1, 5, 6)),
    "mean over columns": lambda: mean_over((2,), (1, 7, 6)),
    "mean over columns that stay": lambda: mean_over((-2,), (1, 7, 1, 6), KeepDims=True),
    "mean of a reordered map": lambda: mean_over((2, 3), (1, 6), transposed=(0, 3, 1, 2)),
    "rows of a reordered map": lambda: mean_over((2,), (1, 6, 5), transposed=(0, 3, 1, 2)),
    "means of a reordered map": means_of_a_reordered_map,
    "flattened channels first": flattened_channels_first,
    "hidden dense on channels first": lambda: flattened_channels_first(has_hidden=True),
    "there and back": there_and_back,
    "one dimension": one_dimensional,
    "computed shape": computed_shape,
    "coarse mean": lambda: mean(scale=1.3, zero=-128),
    "requantized": requantized,
    "map of other extents": other_extents,
    "joined": joined,
    "joined vectors": joined_vectors,
    "transposed vector": transposed_vector,
    "head on a map": head_on_a_map,
    "convolution over the map": convolution_over_the_map,
    "sigmoid": sigmoid,
    "channels first at the end": channels_first_at_the_end,
    "lowest weights": lowest_weights,
}
