"""Drafts of .onnx files, each with something of its own that kilograd carries."""

import numpy as np
from onnx import helper, numpy_helper
from onnx_files import Draft, small_network


def data(draft, stem):
    return numpy_helper.to_array(draft.constants[stem])


def ended(draft, x):
    """The draft with a head behind a map, or a vector."""
    if len(draft.shapes[x]) > 2:
        if any(extent > 1 for extent in draft.shapes[x][2:]):
            x = draft.pool(x)
        x = draft.flatten(x)
    return draft.finish(draft.gemm(x, 3))


def convolution(shape=(1, 3, 7, 8), outputs=4, **options):
    draft = Draft(shape)
    return ended(draft, draft.conv("sample_q", outputs, **options))


def flattened():
    """A dense layer that reads a map of 3×2 positions, of which the file has channels first."""
    draft = Draft((1, 3, 6, 4))
    x = draft.conv("sample_q", 5, strides=(2, 2))
    x = draft.gemm(draft.flatten(x), 6)
    return ended(draft, x)


def flattened_by_reshaping():
    """With the weight the other way round, and the map as three dimensions in between."""
    draft = Draft((1, 3, 6, 4))
    x = draft.conv("sample_q", 5, strides=(2, 2))
    x = draft.like("Reshape", x, (1, 5, 6), [draft.constant("s", np.array([0, 5, -1]))])
    x = draft.like("Reshape", x, (1, 30), [draft.constant("t", np.array([1, 30]))])
    return ended(draft, draft.gemm(x, 6, transposed=False))


def flattened_through_float():
    """Flatten and Relu behind a convolution, with no quantization between the three."""
    draft = Draft((1, 3, 6, 4))
    x = draft.conv("sample_q", 5, strides=(2, 2))
    draft.activate(x, "Flatten", axis=-3)
    draft.shapes[x] = (1, 30)
    return ended(draft, draft.gemm(draft.relu(x), 6))


def flattened_samples():
    draft = Draft((1, 3, 4, 5))
    return ended(draft, draft.gemm(draft.flatten("sample_q"), 6))


def flattened_float_samples():
    draft = Draft((1, 3, 4, 5))
    quantize = draft.nodes[-1]
    draft.nodes.insert(0, helper.make_node("Flatten", ["sample"], ["flat"]))
    quantize.input[0] = "flat"
    draft.shapes["sample_q"] = (1, 60)
    return ended(draft, draft.gemm("sample_q", 6))


def biases(kind):
    def make():
        draft = Draft()
        x = draft.conv("sample_q", 4, bias=kind)
        x = draft.pool(draft.depthwise(x, bias=kind))
        return draft.finish(draft.gemm(draft.flatten(x), 3, bias=kind))

    return make


def bias_of_another_scale():
    draft = convolution()
    name = next(name for name in draft.constants if name.endswith("bias.scale"))
    scale = np.float32([1e-5, 2e-5, 3e-5, 4e-5])
    draft.constant(name, scale)
    return draft


def dilated_depthwise():
    draft = Draft((1, 4, 9, 8))
    return ended(draft, draft.depthwise("sample_q", dilations=(3, 1), pads=(3, 1, 3, 1)))


def multiplied():
    """MatMul, and an Add that is a bias."""
    draft = Draft((1, 20))
    return draft.finish(draft.matmul(draft.matmul("sample_q", 8), 3, bias=False), "LogSoftmax")


def one_direction():
    """Convolutions along time: [batch, channels, time]."""
    draft = Draft((1, 4, 16))
    x = draft.relu(draft.conv("sample_q", 6, (3,), (2,)))
    x = draft.depthwise(x, (3,))
    x = draft.pool(x)
    x = draft.like("Squeeze", x, (1, 6), [draft.constant("last", np.array([-1]))])
    return ended(draft, x)


def padded():
    draft = Draft((1, 3, 6, 7))
    pads = draft.constant("pads", np.array([0, 0, 1, 0, 0, 0, 2, 1]))
    x = draft.like("Pad", "sample_q", (1, 3, 9, 8), [pads], mode="constant")
    return ended(draft, draft.conv(x, 4, pads=(0, 1, 0, 0)))


def padded_axes():
    """Pads of two dimensions, with the zero that they pad with quantized."""
    draft = Draft((1, 3, 6, 7))
    pads = draft.constant("pads", np.array([1, 0, 2, 1]))
    axes = draft.constant("axes", np.array([-2, 3]))
    draft.constant("zero", np.int8(-5))
    draft.node("DequantizeLinear", ["zero", "sample_q.scale", "sample_q.zero"], ["zero_real"])
    x = draft.like("Pad", "sample_q", (1, 3, 9, 8), [pads, "zero_real", axes])
    return ended(draft, draft.conv(x, 4, pads=(0, 1, 0, 0)))


def same_padding(kind):
    def make():
        draft = convolution((1, 3, 8, 7), strides=(2, 2), pads=(0, 1, 1, 1))
        node = next(node for node in draft.nodes if node.op_type == "Conv")
        del node.attribute[:]
        attributes = {"auto_pad": kind, "strides": [2, 2], "kernel_shape": [3, 3]}
        node.attribute.extend(helper.make_attribute(*item) for item in attributes.items())
        return draft

    return make


def without_padding():
    draft = convolution((1, 3, 8, 7), pads=(0, 0, 0, 0))
    node = next(node for node in draft.nodes if node.op_type == "Conv")
    del node.attribute[:]
    node.attribute.append(helper.make_attribute("auto_pad", "VALID"))
    return draft


def channels_last_samples():
    """A network of PyTorch behind samples as TensorFlow has them."""
    draft = Draft((1, 6, 7, 3))
    x = draft.like("Transpose", "sample_q", (1, 3, 6, 7), perm=(0, 3, 1, 2))
    return ended(draft, draft.conv(x, 4))


def channels_last_float_samples():
    draft = Draft((1, 6, 7, 3))
    quantize = draft.nodes[-1]
    perm = helper.make_node("Transpose", ["sample"], ["first"], perm=(0, 3, 1, 2))
    draft.nodes.insert(0, perm)
    quantize.input[0] = "first"
    draft.shapes["sample_q"] = (1, 3, 6, 7)
    return ended(draft, draft.conv("sample_q", 4))


def channels_last_at_the_end():
    draft = Draft()
    x = draft.pool(draft.conv("sample_q", 5))
    x = draft.like("Transpose", x, (1, 1, 1, 5), perm=(0, 2, 3, 1))
    return draft.finish(draft.gemm(draft.flatten(x), 3))


def pooled(operator, *more, **attributes):
    """A mean of the whole map whose result is quantized as the map is."""

    def make():
        draft = Draft()
        x = draft.conv("sample_q", 5)
        given = [draft.constant("axes", np.array(axes)) for axes in more]
        shape = (1, 5) if attributes.get("keepdims") == 0 else (1, 5, 1, 1)
        x = draft.like(operator, x, shape, given, **attributes)
        return ended(draft, x)

    return make


def rescaled(operator, shape, more=(), **attributes):
    """An operator on a map of [1, 5, 8, 8] whose result has another scale."""

    def make():
        draft = Draft()
        x = draft.conv("sample_q", 5)
        scale, _ = draft.quantizations[x]
        given = [draft.constant(f"more{i}", np.array(data)) for i, data in enumerate(more)]
        return ended(
            draft, draft.append(operator, [x], shape, 30 * scale, more=given, **attributes)
        )

    return make


def relu_of_its_own():
    draft = Draft()
    x = draft.conv("sample_q", 4)
    scale, _ = draft.quantizations[x]
    return ended(draft, draft.append("Relu", [x], draft.shapes[x], 25 * scale, -128))


def joined_along(axis):
    """One behind the other in their rows or columns."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    shape = [*draft.shapes[x]]
    shape[axis] *= 2
    return ended(draft, draft.conv(draft.append("Concat", [x, x], shape, axis=axis), 4))


def joined():
    """Maps of different scales side by side, one of them twice."""
    draft = Draft()
    x, y = draft.conv("sample_q", 4), draft.conv("sample_q", 3)
    spread = 40 * max(draft.quantizations[x][0], draft.quantizations[y][0])
    return ended(draft, draft.append("Concat", [x, y, x], (1, 11, 8, 8), spread, axis=1))


def windowed(operator, **attributes):
    def make():
        draft = Draft((1, 3, 8, 9))
        x = draft.conv("sample_q", 4)
        options = {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 1]} | attributes
        return ended(draft, draft.like(operator, x, (1, 4, 4, 3), **options))

    return make


def head_on_a_map():
    draft = Draft((1, 3, 6, 4))
    x = draft.conv("sample_q", 5, strides=(2, 2))
    return draft.finish(draft.gemm(draft.flatten(x), 4))


def one_value():
    draft = Draft((1, 3, 6, 4))
    x = draft.flatten(draft.pool(draft.conv("sample_q", 5)))
    return draft.finish(draft.gemm(x, 1), "Sigmoid")


def lowest_weights():
    draft = convolution()
    name = next(name for name in draft.constants if name.endswith("weight_quantized"))
    weight = np.array(data(draft, name))
    weight[:, 0, 0] = -128
    draft.constant(name, weight)
    return draft


def opset(version):
    return lambda: small_network(opset=version)


def unsigned():
    return small_network(dtype=np.uint8)


def without_zero_points():
    """Of uint8, which is what QuantizeLinear makes then: 0 stands for 0."""
    draft = Draft((1, 2, 4, 4), dtype=np.uint8, zero=-128)
    x = draft.relu(draft.conv("sample_q", 3))
    x = draft.flatten(draft.pool(x))
    for node in draft.nodes:
        if node.op_type.endswith("uantizeLinear") and "layer" not in node.input[0]:
            del node.input[2:]
    x = draft.gemm(x, 4)
    return draft.finish(draft.gemm(x, 3))


def weights_in_float():
    """As quantization-aware training leaves them: float, between two operators of its own."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    rng = np.random.default_rng(5)
    name = next(name for name in draft.constants if name.endswith("weight_quantized"))
    stem = name.removesuffix("_quantized")
    draft.constants.pop(name)
    draft.constant(stem, rng.uniform(-0.1, 0.1, (4, 3, 3, 3)).astype(np.float32))
    node = helper.make_node(
        "QuantizeLinear", [stem, f"{stem}.scale", f"{stem}.zero"], [name], axis=-4
    )
    draft.nodes.insert(0, node)
    return ended(draft, x)


def clipped(low=0.0, high=6.0):
    """To a range that quantization leaves as well."""

    def make():
        draft = Draft()
        bounds = [draft.constant("low", np.float32(low)), draft.constant("high", np.float32(high))]
        x = draft.activate(draft.conv("sample_q", 4), "Clip", bounds, 6 / 255)
        return ended(draft, x)

    return make


def clamped(operator, zero, *bounds):
    """To a range that quantization does not leave."""
    draft = Draft()
    bounds = [draft.constant(f"bound{n}", np.float32(bound)) for n, bound in enumerate(bounds)]
    return ended(draft, draft.activate(draft.conv("sample_q", 4), operator, bounds, 0.05, zero))


def passed_on():
    """Identity and Dropout, and constants that are nodes."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    names = [name for name in draft.constants if name.endswith("weight.scale")]
    for name in names:
        value = draft.constants.pop(name)
        draft.nodes.insert(0, helper.make_node("Constant", [], [name], value=value))
    draft.activate(x, "Identity")
    draft.activate(x, "Dropout")
    return ended(draft, x)


def regression():
    """One number without a sigmoid."""
    draft = Draft()
    x = draft.flatten(draft.pool(draft.relu(draft.conv("sample_q", 6))))
    return draft.finish(draft.gemm(x, 1))


DRAFTS = {
    "everything": small_network,
    "regression": regression,
    "convolution": convolution,
    "odd padding": lambda: convolution(pads=(1, 0, 0, 2)),
    "even window": lambda: convolution(window=(4, 2), pads=(1, 0, 2, 1)),
    "stride above window": lambda: convolution(window=(1, 2), strides=(3, 3), pads=(0,) * 4),
    "strides that differ": lambda: convolution(strides=(2, 1)),
    "dilated": lambda: convolution(dilations=(2, 3), pads=(2, 3, 1, 3)),
    "dilated depthwise": dilated_depthwise,
    "pointwise": lambda: convolution(window=(1, 1)),
    "strided pointwise": lambda: convolution(window=(1, 1), strides=(2, 2)),
    "several filters on one channel": lambda: convolution((1, 1, 6, 5), 5),
    "several filters on each channel": lambda: convolution(outputs=6, group=3),
    "grouped": lambda: convolution((1, 6, 6, 5), group=2),
    "grouped, pointwise": lambda: convolution((1, 6, 6, 5), window=(1, 1), group=2),
    "padded below and to the right": same_padding("SAME_UPPER"),
    "padded above and to the left": same_padding("SAME_LOWER"),
    "without padding": without_padding,
    "flattened": flattened,
    "flattened by reshaping": flattened_by_reshaping,
    "flattened through float": flattened_through_float,
    "flattened samples": flattened_samples,
    "flattened float samples": flattened_float_samples,
    "float biases": biases("float32"),
    "without biases": biases(None),
    "bias of another scale": bias_of_another_scale,
    "multiplied": multiplied,
    "one direction": one_direction,
    "padded": padded,
    "padded axes": padded_axes,
    "channels last": channels_last_samples,
    "channels last, float": channels_last_float_samples,
    "channels last at the end": channels_last_at_the_end,
    "global average": pooled("GlobalAveragePool"),
    "mean": pooled("ReduceMean", [2, 3]),
    "mean without dimensions": pooled("ReduceMean", [-1, -2], keepdims=0),
    "rescaled global average": rescaled("GlobalAveragePool", (1, 5, 1, 1)),
    "rescaled average": rescaled("AveragePool", (1, 5, 1, 1), kernel_shape=[8, 8]),
    "rescaled mean": rescaled("ReduceMean", (1, 5), [[2, 3]], keepdims=0),
    "mean of the rows": rescaled("ReduceMean", (1, 5, 1, 8), [[2]]),
    "mean of the columns": rescaled("ReduceMean", (1, 5, 8, 1), [[-1]]),
    "rescaled largest": rescaled("MaxPool", (1, 5, 4, 4), kernel_shape=[2, 2], strides=[2, 2]),
    "rescaled flattened": rescaled("Flatten", (1, 320)),
    "relu of its own": relu_of_its_own,
    "joined": joined,
    "joined by rows": lambda: joined_along(2),
    "joined by columns": lambda: joined_along(-1),
    "largest": windowed("MaxPool"),
    "average under windows": windowed("AveragePool"),
    "head on a map": head_on_a_map,
    "one value": one_value,
    "lowest weights": lowest_weights,
    "opset 13": opset(13),
    "opset 21": opset(21),
    "opset 25": opset(25),
    "opset 27": opset(27),
    "unsigned": unsigned,
    "without zero points": without_zero_points,
    "weights in float": weights_in_float,
    "clipped": clipped(),
    "clipped by other numbers": clipped(-1.0, 6.3),
    "clipped to less": lambda: clamped("Clip", -10, 0, 4),
    "clipped on both sides": lambda: clamped("Clip", 3, -1.5, 2.25),
    "relu of another zero point": lambda: clamped("Relu", -20),
    "passed on": passed_on,
}
