"""Writes small .onnx files in the QDQ format, which tests may spoil before they are written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Draft:
    """A network in the making.

    Each method appends a layer between its DequantizeLinear and QuantizeLinear, and returns the
    name of the int8 result. Scales follow from what random numbers make of the input's.
    """

    def __init__(self, shape=(1, 3, 8, 8), scale=0.02, zero=-5, seed=1, opset=18, dtype=np.int8):
        self.rng = np.random.default_rng(seed)
        self.opset = opset
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.inputs = [helper.make_tensor_value_info("sample", TensorProto.FLOAT, list(shape))]
        self.outputs: list[onnx.ValueInfoProto] = []
        self.quantizations: dict[str, tuple[float, int]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.count = 0
        self.last = self.quantize("sample", shape, scale, zero, "sample_q")

    def constant(self, name, data):
        self.constants[name] = numpy_helper.from_array(np.asarray(data), name)
        return name

    def node(self, operator, inputs, outputs, **attributes):
        node = helper.make_node(operator, inputs, outputs, f"node_{outputs[0]}", **attributes)
        self.nodes.append(node)
        return outputs[0]

    def unused(self, stem):
        self.count += 1
        return f"{stem}_{self.count}"

    def quantize(self, x, shape, scale, zero, name):
        """QuantizeLinear; a zero point is that of int8, whatever the type is."""
        scale = float(np.float32(scale))
        self.quantizations[name], self.shapes[name] = (scale, zero), tuple(shape)
        shift = 128 if self.dtype is np.uint8 else 0
        operands = [
            self.constant(f"{name}.scale", np.float32(scale)),
            self.constant(f"{name}.zero", self.dtype(zero + shift)),
        ]
        self.last = name
        return self.node("QuantizeLinear", [x, *operands], [name])

    def dequantize(self, x):
        """A DequantizeLinear of its own for each reader, as quantizers write them."""
        made = self.unused(f"{x}_real")
        return self.node("DequantizeLinear", [x, f"{x}.scale", f"{x}.zero"], [made])

    def append(self, operator, xs, shape, spread=None, zero=3, more=(), name="", **attributes):
        """A layer of any operator.

        Args:
            operator: as ONNX has it.
            xs: int8 inputs.
            shape: of the result.
            spread: real number that stands for 40 steps of the result; as the input's if None.
            zero: zero point of the result, of int8; the input's if ``spread`` is None.
            more: further inputs.
            name: of the result.
            attributes: of the node.
        """
        reads = [self.dequantize(x) for x in xs]
        real = self.node(operator, [*reads, *more], [self.unused(operator.lower())], **attributes)
        scale, given_zero = self.quantizations[xs[0]]
        if spread is None:
            zero = given_zero
        else:
            scale = spread / 40
        return self.quantize(real, shape, scale, zero, name or self.unused(f"{operator}_q"))

    def like(self, operator, x, shape, more=(), **attributes):
        """A layer whose result is quantized as its input is."""
        return self.append(operator, [x], shape, more=more, **attributes)

    def weights(self, x, shape, axis=0, bias="int32", outputs=None):
        """Names of a random weight and its bias, dequantized, and the spread of the result."""
        stem = self.unused("layer")
        outputs = outputs or shape[axis]
        scales = self.rng.uniform(1e-3, 4e-3, outputs).astype(np.float32)
        data = self.rng.integers(-127, 128, shape).astype(np.int8)
        given, _ = self.quantizations[x]
        self.constant(f"{stem}.weight_quantized", data)
        self.constant(f"{stem}.weight.scale", scales)
        self.constant(f"{stem}.weight.zero", np.zeros(outputs, np.int8))
        operands = [f"{stem}.weight_quantized", f"{stem}.weight.scale", f"{stem}.weight.zero"]
        reads = [self.node("DequantizeLinear", operands, [f"{stem}.weight_real"], axis=axis)]
        steps = self.rng.integers(-3000, 3000, outputs)
        products = (np.float32(given) * scales).astype(np.float32)
        if bias == "int32":
            self.constant(f"{stem}.bias_q", steps.astype(np.int32))
            self.constant(f"{stem}.bias.scale", products)
            self.constant(f"{stem}.bias.zero", np.zeros(outputs, np.int32))
            operands = [f"{stem}.bias_q", f"{stem}.bias.scale", f"{stem}.bias.zero"]
            reads.append(self.node("DequantizeLinear", operands, [f"{stem}.bias_real"], axis=0))
        elif bias == "float32":
            reads.append(self.constant(f"{stem}.bias", (steps * products).astype(np.float32)))
        terms = math.prod(shape) // outputs
        return reads, 60 * given * 73 * 2.5e-3 * math.sqrt(terms)

    def conv(self, x, outputs, window=(3, 3), strides=None, pads=None, group=1, bias="int32", **o):
        strides = strides or (1,) * len(window)
        pads = pads or tuple(tap // 2 for tap in window) * 2
        batch, channels, *extents = self.shapes[x]
        more, spread = self.weights(x, (outputs, channels // group, *window), bias=bias)
        half = len(window)
        dilations = o.get("dilations", (1,) * half)
        made = [
            (extent + pads[i] + pads[i + half] - (window[i] - 1) * dilations[i] - 1) // strides[i]
            + 1
            for i, extent in enumerate(extents)
        ]
        options = {"strides": strides, "pads": pads, "group": group} | o
        shape = (batch, outputs, *made)
        return self.append("Conv", [x], shape, spread, more=more, **options)

    def depthwise(self, x, window=(3, 3), **options):
        channels = self.shapes[x][1]
        return self.conv(x, channels, window, group=channels, **options)

    def activate(self, x, operator="Relu", more=(), scale=None, zero=-128, **attributes):
        """Put an operator between the layer before and its QuantizeLinear, which is another."""
        quantize = self.nodes[-1]
        scale = float(np.float32(scale or self.quantizations[x][0]))
        self.quantizations[x] = (scale, zero)
        self.constant(f"{x}.scale", np.float32(scale))
        self.constant(f"{x}.zero", self.dtype(zero + (128 if self.dtype is np.uint8 else 0)))
        made = self.unused(operator.lower())
        operands = [quantize.input[0], *more]
        node = helper.make_node(operator, operands, [made], f"node_{made}", **attributes)
        self.nodes.insert(-1, node)
        quantize.input[0] = made
        return x

    def relu(self, x):
        """Clamp the result of the layer before at 0: its zero point becomes the lowest number."""
        return self.activate(x)

    def gemm(self, x, outputs, bias="int32", *, transposed=True):
        inputs = self.shapes[x][1]
        shape, axis = ((outputs, inputs), 0) if transposed else ((inputs, outputs), 1)
        more, spread = self.weights(x, shape, axis, bias)
        options = {"transB": int(transposed)}
        return self.append("Gemm", [x], (1, outputs), spread, more=more, **options)

    def matmul(self, x, outputs, *, bias=True):
        """MatMul and, with a bias, an Add behind it."""
        more, spread = self.weights(x, (self.shapes[x][1], outputs), 1, "float32")
        real = self.node("MatMul", [self.dequantize(x), more[0]], [self.unused("matmul")])
        if bias:
            real = self.node("Add", [more[1], real], [self.unused("biased")])
        return self.quantize(real, (1, outputs), spread / 40, 3, self.unused("dense_q"))

    def add(self, a, b):
        spread = 60 * math.hypot(self.quantizations[a][0], self.quantizations[b][0])
        return self.append("Add", [a, b], self.shapes[a], spread)

    def flatten(self, x):
        return self.like("Flatten", x, (1, math.prod(self.shapes[x])))

    def pool(self, x, operator="AveragePool", window=None, **options):
        """A pool; over the whole map unless there is a window and a shape of the result."""
        batch, channels, *extents = self.shapes[x]
        shape = options.pop("shape", (batch, channels, *(1,) * len(extents)))
        return self.like(operator, x, shape, kernel_shape=window or extents, **options)

    def finish(self, x, *behind):
        """The end of the file: operators of float behind the logits, if there are any."""
        real = self.dequantize(x)
        for operator in behind:
            real = self.node(operator, [real], [self.unused(operator.lower())])
        self.outputs = [
            helper.make_tensor_value_info(real, TensorProto.FLOAT, list(self.shapes[x]))
        ]
        return self

    def proto(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes, "net", self.inputs, self.outputs, list(self.constants.values())
        )
        opset = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opset, ir_version=9)

    def content(self) -> bytes:
        return self.proto().SerializeToString()

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content())
        return path


def small_network(**options) -> Draft:
    """One of every layer that kilograd has."""
    draft = Draft(**options)
    x = draft.relu(draft.conv("sample_q", 4, strides=(2, 2)))
    y = draft.relu(draft.depthwise(x))
    y = draft.conv(y, 4, (1, 1))
    x = draft.add(x, y)
    x = draft.pool(draft.relu(draft.conv(x, 6)))
    x = draft.flatten(x)
    return draft.finish(draft.gemm(draft.gemm(x, 5), 3), "Softmax")
