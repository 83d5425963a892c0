"""Drafts of .tflite files with functions of one number, with products, and with both."""

import numpy as np
from tflite_drafts import ended
from tflite_files import RELU, SAME, Draft

#: Quantizations that converters give the results of a sigmoid and of a hyperbolic tangent.
GATE, SIGNED_GATE = {"scale": 1 / 256, "zero": -128}, {"scale": 1 / 128, "zero": 0}

#: Operators that are functions of one number.
FUNCTIONS = ("LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "ELU", "ABS")

#: Table of options, by operator.
_OPTIONS = {
    "LEAKY_RELU": "LeakyReluOptions",
    "HARD_SWISH": "HardSwishOptions",
    "GELU": "GeluOptions",
}


def function(draft, operator, x, **options):
    """A function of one number."""
    return draft.append(operator, [x], draft.tensors[x].shape, _OPTIONS.get(operator), **options)


def multiply(draft, a, b, shape=None, **options):
    shape = draft.tensors[a].shape if shape is None else shape
    return draft.append("MUL", [a, b], shape, "MulOptions", **options)


def constant(draft, data, scale=0.02, zero=3):
    """An int8 constant that is no weight."""
    number = draft.constant("constant", np.asarray(data, np.int8), (scale,))
    draft.tensors[number].zeros = (zero,)
    return number


def of_function(operator, **options):
    """A function in the middle of a network."""
    draft = Draft()
    x = function(draft, operator, draft.conv(0, (1, 6, 6), 4), **options)
    return ended(draft, draft.conv(x, (1, 6, 6), 5))


def gate_at_both_ends():
    """The sigmoid in the middle is a layer, the last one is the loss's."""
    draft = Draft((1, 5, 4, 2))
    x = function(draft, "LOGISTIC", draft.conv(0, (1, 5, 4), 3), **GATE)
    x = draft.dense(x, 1)
    draft.append("LOGISTIC", [x], (1, 1), **GATE)
    return draft


def product(**options):
    draft = Draft()
    a, b = draft.conv(0, (1, 6, 6), 4), draft.conv(0, (1, 6, 6), 4)
    return ended(draft, multiply(draft, a, b, **options))


def swish():
    """As converters write it; the gate may stand first."""
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 4)
    x = multiply(draft, x, function(draft, "LOGISTIC", x, **GATE))
    return ended(draft, multiply(draft, function(draft, "LOGISTIC", x, **GATE), x))


def square():
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 4)
    return ended(draft, multiply(draft, x, x))


def spread(*, is_first=False, keeps=True, **options):
    """A map by one factor for each channel, which may stand first or be a vector."""
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 4)
    shape = (1, 1, 1, 4) if keeps else (1, 4)
    factors = draft.mean(x, (1, 2), shape, KeepDims=keeps)
    reads = (factors, x) if is_first else (x, factors)
    return ended(draft, multiply(draft, *reads, (1, 6, 6, 4), **options))


def by_constant(data, *, is_first=False, operator="MUL", **options):
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 4)
    number = constant(draft, data)
    reads = [number, x] if is_first else [x, number]
    table = {"MUL": "MulOptions", "ADD": "AddOptions", "SUB": "SubOptions"}.get(operator)
    return ended(draft, draft.append(operator, reads, (1, 6, 6, 4), table, **options))


def normalized_samples():
    """As a network begins whose author put mean and deviation of each channel into it."""
    draft = Draft((1, 6, 6, 3), scale=1 / 255, zero=-128)
    mean, inverse = constant(draft, [-8, 4, 30], 1 / 255, -128), constant(draft, [90, 127, 60])
    x = draft.append("SUB", [0, mean], (1, 6, 6, 3), "SubOptions", scale=0.008, zero=-2)
    x = multiply(draft, x, inverse, scale=0.02, zero=1)
    return ended(draft, draft.conv(x, (1, 6, 6), 4))


def vectors():
    """Products of vectors, behind a map that was flattened."""
    draft = Draft((1, 5, 4, 2))
    x = draft.reshape(draft.conv(0, (1, 5, 4), 3), (1, 60))
    y = draft.reshape(draft.conv(0, (1, 5, 4), 3), (1, 60))
    x = draft.dense(multiply(draft, x, y), 6)
    draft.dense(multiply(draft, x, draft.dense(x, 6)), 3)
    return draft


def squeeze_excite(draft, x, channels, squeezed, *, keeps=True):
    """A block that scales a map by what it makes of its channels' means."""
    if keeps:
        means = draft.mean(x, (1, 2), (1, 1, 1, channels), KeepDims=True, scale=0.02, zero=-60)
        y = draft.conv(
            means, (1, 1, 1), squeezed, (1, 1), FusedActivationFunction=RELU, scale=0.02, zero=-128
        )
        y = draft.conv(y, (1, 1, 1), channels, (1, 1), scale=0.05, zero=-4)
    else:
        means = draft.mean(x, (1, 2), (1, channels), scale=0.02, zero=-60)
        y = draft.dense(means, squeezed, FusedActivationFunction=RELU, scale=0.02, zero=-128)
        y = draft.dense(y, channels, scale=0.05, zero=-4)
        y = draft.reshape(y, (1, 1, 1, channels))
    gate = function(draft, "LOGISTIC", y, **GATE)
    return multiply(draft, x, gate, scale=0.05, zero=-40)


def mobile_network(size=12, *, keeps=True, seed=5):
    """Two inverted residual blocks with squeeze-and-excite, and hard swish as their activation."""
    draft = Draft((1, size, size, 3), scale=1 / 64, zero=0, seed=seed)
    half = size // 2

    def swish(x):
        return function(draft, "HARD_SWISH", x, scale=0.045, zero=-119)

    x = swish(draft.conv(0, (1, half, half), 8, strides=(2, 2), scale=0.05, zero=3))
    y = swish(draft.conv(x, (1, half, half), 16, (1, 1), scale=0.05, zero=-5))
    y = swish(draft.depthwise(y, (1, half, half), 16, (3, 3), scale=0.05, zero=9))
    y = squeeze_excite(draft, y, 16, 4, keeps=keeps)
    x = draft.add(x, draft.conv(y, (1, half, half), 8, (1, 1), scale=0.05), scale=0.07, zero=-20)
    quarter = (half + 1) // 2
    y = swish(draft.conv(x, (1, half, half), 24, (1, 1), scale=0.05, zero=1))
    y = draft.depthwise(y, (1, quarter, quarter), 24, (5, 5), (2, 2), SAME, scale=0.05, zero=0)
    y = swish(squeeze_excite(draft, y, 24, 6, keeps=keeps))
    x = draft.conv(y, (1, quarter, quarter), 12, (1, 1), scale=0.05)
    x = swish(draft.conv(x, (1, quarter, quarter), 20, (1, 1), scale=0.05))
    keep_variance(draft)
    return ended(draft, x)


def keep_variance(draft):
    """Scale weights so that maps neither vanish nor overflow behind an activation that halves."""
    for operator in draft.operators:
        if operator.operator in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            x, *parameters = (draft.tensors[number] for number in operator.inputs)
            weight, bias = parameters
            terms = weight.data.size // weight.shape[weight.axis]
            usual = 2 / np.sqrt(terms) / weight.data.std()
            weight.scales = tuple(float(np.float32(usual)) for _ in weight.scales)
            bias.scales = tuple(x.scales[0] * scale for scale in weight.scales)


DRAFTS = {
    "logistic": lambda: of_function("LOGISTIC", **GATE),
    "tanh": lambda: of_function("TANH", **SIGNED_GATE),
    "hard swish": lambda: of_function("HARD_SWISH", scale=0.04, zero=-119),
    "leaky relu": lambda: of_function("LEAKY_RELU", scale=0.05, zero=-100, Alpha=0.1),
    "elu": lambda: of_function("ELU", scale=0.03, zero=-95),
    "absolute": lambda: of_function("ABS", scale=0.06, zero=-128),
    "gate at both ends": gate_at_both_ends,
    "product": product,
    "product with relu": lambda: product(FusedActivationFunction=RELU, scale=0.06, zero=-128),
    "square": square,
    "swish": swish,
    "spread": spread,
    "spread from the left": lambda: spread(is_first=True),
    "spread vector": lambda: spread(keeps=False),
    "by a number": lambda: by_constant(77),
    "by a number of one dimension": lambda: by_constant([-50], is_first=True),
    "by a number and relu": lambda: by_constant(
        77, FusedActivationFunction=RELU, scale=0.06, zero=-128
    ),
    "plus a number": lambda: by_constant(90, operator="ADD"),
    "a number plus": lambda: by_constant([[-90]], operator="ADD", is_first=True),
    "plus channels": lambda: by_constant([1, -128, 127, 50], operator="ADD", scale=0.05),
    "channels plus": lambda: by_constant(
        np.full((1, 1, 1, 4), 99),
        operator="ADD",
        is_first=True,
        FusedActivationFunction=RELU,
        zero=-128,
    ),
    "minus a number": lambda: by_constant(90, operator="SUB"),
    "minus channels": lambda: by_constant([1, -128, 127, 50], operator="SUB", scale=0.05),
    "a number minus": lambda: by_constant([-90], operator="SUB", is_first=True),
    "normalized samples": normalized_samples,
    "by channels": lambda: by_constant([1, -128, 127, 50]),
    "by channels of a map": lambda: by_constant(np.full((1, 1, 1, 4), 99), is_first=True),
    "by a map": lambda: by_constant(np.arange(144).reshape(1, 6, 6, 4) - 70),
    "slopes of channels": lambda: by_constant(
        np.array([20, -60, 127, 3]).reshape(1, 1, 4), operator="PRELU", scale=0.05, zero=-60
    ),
    "one slope of channels": lambda: by_constant(
        np.full((1, 1, 4), 14), operator="PRELU", scale=0.05, zero=-100
    ),
    "vectors": vectors,
    "mobile": mobile_network,
    "mobile with dense layers": lambda: mobile_network(keeps=False),
}
