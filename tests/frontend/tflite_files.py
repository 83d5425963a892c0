"""Writes small .tflite files for tests: drafts that tests may spoil before they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tflite

SAME, VALID = 0, 1
RELU, RELU6, TANH = 1, 3, 4


@dataclass
class DraftTensor:
    """A tensor of a draft; `buffer` replaces the one that it would get."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    scales: tuple[float, ...] = ()
    zeros: tuple[int, ...] = ()
    axis: int = 0
    data: np.ndarray | None = None
    buffer: int | None = None
    signature: tuple[int, ...] = ()
    is_sparse: bool = False


@dataclass
class DraftOperator:
    """An operator of a draft; options are those of the table in the schema."""

    operator: str
    inputs: list[int]
    outputs: list[int]
    table: str | None = None
    options: dict[str, float] = field(default_factory=dict)


_JOIN = {"table": "ConcatenationOptions"}


class Draft:
    """A network in the making; each method appends a layer and returns its result's number."""

    def __init__(self, shape=(1, 6, 6, 3), scale=0.05, zero=-3, dtype="int8", seed=1):
        self.rng = np.random.default_rng(seed)
        self.tensors: list[DraftTensor] = []
        self.operators: list[DraftOperator] = []
        self.version, self.identifier, self.subgraphs = 3, b"TFL3", 1
        self.buffer_offset: int | None = None  # of contents behind the flatbuffer
        self.has_deprecated_codes = True  # as files had all codes before version 3a of the schema
        self.inputs = [self.tensor("sample", shape, dtype, (scale,), (zero,))]
        self.outputs: list[int] = []

    def tensor(self, name, shape, dtype="int8", scales=(), zeros=(), **more) -> int:
        self.tensors.append(DraftTensor(name, tuple(shape), dtype, scales, zeros, **more))
        return len(self.tensors) - 1

    def constant(self, name, data, scales=(), axis=0) -> int:
        data = np.asarray(data)
        zeros = (0,) * len(scales)
        return self.tensor(name, data.shape, data.dtype.name, scales, zeros, axis=axis, data=data)

    def append(self, operator, inputs, shape, table=None, scale=0.07, zero=5, name="", **options):
        """A layer of any operator."""
        place = len(self.operators)
        result = self.tensor(name or f"net/layer{place}/BiasAdd", shape, "int8", (scale,), (zero,))
        self.operators.append(DraftOperator(operator, list(inputs), [result], table, options))
        self.outputs = [result]
        return result

    def like(self, operator, x, shape, *more, **options):
        """A layer whose result is quantized as its input is."""
        (scale,), (zero,) = self.tensors[x].scales, self.tensors[x].zeros
        return self.append(operator, [x, *more], shape, scale=scale, zero=zero, **options)

    def weights(self, x, shape, axis, scales=None):
        """Random weights and biases; `scales` of 1 makes them per tensor."""
        outputs = shape[axis]
        data = self.rng.integers(-127, 128, shape).astype(np.int8)
        chosen = tuple(
            float(np.float32(s)) for s in self.rng.uniform(1e-3, 4e-3, scales or outputs)
        )
        bias = self.rng.integers(-300, 300, outputs).astype(np.int32)
        (given,) = self.tensors[x].scales or (1.0,)
        products = tuple(given * scale for scale in chosen)
        return [
            self.constant("weight", data, chosen, axis),
            self.constant("bias", bias, products),
        ]

    def conv(
        self,
        x,
        shape,
        outputs,
        taps=(3, 3),
        strides=(1, 1),
        padding=SAME,
        scales=None,
        group=1,
        **o,
    ):
        given = self.weights(x, (outputs, *taps, self.tensors[x].shape[3] // group), 0, scales)
        options = self.window(strides, padding) | o
        return self.append("CONV_2D", [x, *given], (*shape, outputs), "Conv2DOptions", **options)

    def depthwise(self, x, shape, outputs, taps=(3, 3), strides=(1, 1), padding=SAME, **o):
        given = self.weights(x, (1, *taps, outputs), 3)
        multiplier = outputs // self.tensors[x].shape[3]
        options = self.window(strides, padding) | {"DepthMultiplier": multiplier} | o
        return self.append(
            "DEPTHWISE_CONV_2D", [x, *given], (*shape, outputs), "DepthwiseConv2DOptions", **options
        )

    @staticmethod
    def window(strides, padding):
        dilations = {"DilationHFactor": 1, "DilationWFactor": 1}
        return {"StrideH": strides[0], "StrideW": strides[1], "Padding": padding} | dilations

    def pool(self, x, window, shape, operator="AVERAGE_POOL_2D", **o):
        options = {"StrideH": 1, "StrideW": 1, "Padding": VALID} | o
        options |= {"FilterHeight": window[0], "FilterWidth": window[1]}
        return self.like(operator, x, shape, table="Pool2DOptions", **options)

    def dense(self, x, outputs, scales=1, **options):
        inputs = int(np.prod(self.tensors[x].shape))
        given = self.weights(x, (outputs, inputs), 0, scales)
        table = "FullyConnectedOptions"
        return self.append("FULLY_CONNECTED", [x, *given], (1, outputs), table, **options)

    def reshape(self, x, shape):
        return self.like("RESHAPE", x, shape, self.constant("shape", np.array(shape, np.int32)))

    def pad(self, x, pads):
        """Pads are those of [batch, height, width, channels]."""
        shape = [n + sum(pad) for n, pad in zip(self.tensors[x].shape, pads, strict=True)]
        return self.like("PAD", x, shape, self.constant("pads", np.array(pads, np.int32)))

    def add(self, a, b, **options):
        return self.append("ADD", [a, b], self.tensors[a].shape, "AddOptions", **options)

    def mean(self, x, axes, shape, scale=0.03, zero=-9, **options):
        numbers = self.constant("axes", np.array(axes, np.int32))
        quantization = {"scale": scale, "zero": zero}
        return self.append("MEAN", [x, numbers], shape, "ReducerOptions", **quantization, **options)

    def transpose(self, x, order):
        shape = tuple(self.tensors[x].shape[place] for place in order)
        return self.like("TRANSPOSE", x, shape, self.constant("order", np.array(order, np.int32)))

    def concatenate(self, maps, axis, shape):
        return self.like("CONCATENATION", *maps[:1], shape, *maps[1:], **_JOIN, Axis=axis)

    def softmax(self, x):
        """The end of a classifier."""
        shape = self.tensors[x].shape
        return self.append("SOFTMAX", [x], shape, "SoftmaxOptions", 1 / 256, -128, Beta=1.0)

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content())
        return path

    def content(self) -> bytes:
        return bytes(_Writer(self).finish())


def small_network(**options) -> Draft:
    """One of every layer that is read."""
    draft = Draft(**options)
    x = draft.conv(0, (1, 6, 6), 4, FusedActivationFunction=RELU, zero=-128)
    y = draft.depthwise(x, (1, 6, 6), 4)
    y = draft.conv(y, (1, 6, 6), 4, (1, 1))
    x = draft.add(x, y)
    x = draft.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    x = draft.conv(x, (1, 3, 3), 5, (3, 3), (2, 2), VALID)
    x = draft.pool(x, (3, 3), (1, 1, 1, 5))
    x = draft.reshape(x, (1, 5))
    draft.softmax(draft.dense(x, 3))
    return draft


class _Writer:
    """Tables from the inside out, as flatbuffers want it."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._builder = flatbuffers.Builder(1024)
        self._buffers: list[np.ndarray | None] = [None]

    def finish(self) -> bytearray:
        draft, b = self._draft, self._builder
        codes = [self._code(name) for name in self._names]
        graph = self._table(
            "SubGraph",
            Tensors=self._vector("SubGraphStartTensorsVector", map(self._tensor, draft.tensors)),
            Inputs=b.CreateNumpyVector(np.array(draft.inputs, np.int32)),
            Outputs=b.CreateNumpyVector(np.array(draft.outputs, np.int32)),
            Operators=self._vector(
                "SubGraphStartOperatorsVector", map(self._operator, draft.operators)
            ),
        )
        model = self._table(
            "Model",
            Version=draft.version,
            OperatorCodes=self._vector("ModelStartOperatorCodesVector", codes),
            Subgraphs=self._vector("ModelStartSubgraphsVector", [graph] * draft.subgraphs),
            Buffers=self._vector("ModelStartBuffersVector", map(self._buffer, self._buffers)),
        )
        b.Finish(model, file_identifier=draft.identifier)
        return b.Output()

    @property
    def _names(self) -> list[str]:
        return sorted({operator.operator for operator in self._draft.operators})

    def _table(self, kind: str, **members: Any) -> int:
        getattr(tflite, f"{kind}Start")(self._builder)
        for name, value in members.items():
            if value is not None:
                getattr(tflite, f"{kind}Add{name}")(self._builder, value)
        return getattr(tflite, f"{kind}End")(self._builder)

    def _vector(self, start: str, offsets: Any) -> int:
        offsets = list(offsets)
        getattr(tflite, start)(self._builder, len(offsets))
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return self._builder.EndVector()

    def _code(self, name: str) -> int:
        code = getattr(tflite.BuiltinOperator, name, tflite.BuiltinOperator.CUSTOM)
        is_custom = code == tflite.BuiltinOperator.CUSTOM
        custom = self._builder.CreateString(name) if is_custom else None
        return self._table(
            "OperatorCode",
            DeprecatedBuiltinCode=min(code, 127) if self._draft.has_deprecated_codes else None,
            BuiltinCode=code,
            CustomCode=custom,
            Version=1,
        )

    def _buffer(self, data: np.ndarray | None) -> int:
        given = None
        if data is not None and data.size:
            given = self._builder.CreateNumpyVector(np.frombuffer(data.tobytes(), np.uint8))
        return self._table("Buffer", Data=given, Offset=self._draft.buffer_offset)

    def _tensor(self, tensor: DraftTensor) -> int:
        b = self._builder
        number = tensor.buffer
        if number is None:
            number = 0
            if tensor.data is not None:
                self._buffers.append(tensor.data)
                number = len(self._buffers) - 1
        name = b.CreateString(tensor.name)
        shape = b.CreateNumpyVector(np.array(tensor.shape, np.int32))
        signature = quantization = None
        if tensor.signature:
            signature = b.CreateNumpyVector(np.array(tensor.signature, np.int32))
        if tensor.scales:
            quantization = self._table(
                "QuantizationParameters",
                Scale=b.CreateNumpyVector(np.array(tensor.scales, np.float32)),
                ZeroPoint=b.CreateNumpyVector(np.array(tensor.zeros, np.int64)),
                QuantizedDimension=tensor.axis,
            )
        sparsity = self._table("SparsityParameters") if tensor.is_sparse else None
        return self._table(
            "Tensor",
            Sparsity=sparsity,
            Shape=shape,
            ShapeSignature=signature,
            Type=getattr(tflite.TensorType, tensor.dtype.upper()),
            Buffer=number,
            Name=name,
            Quantization=quantization,
        )

    def _operator(self, operator: DraftOperator) -> int:
        b = self._builder
        inputs = b.CreateNumpyVector(np.array(operator.inputs, np.int32))
        outputs = b.CreateNumpyVector(np.array(operator.outputs, np.int32))
        options = kind = None
        if operator.table:
            options = self._table(operator.table, **operator.options)
            kind = getattr(tflite.BuiltinOptions, operator.table)
        return self._table(
            "Operator",
            OpcodeIndex=self._names.index(operator.operator),
            Inputs=inputs,
            Outputs=outputs,
            BuiltinOptions=options,
            BuiltinOptionsType=kind,
        )


def regression():
    """One number without a sigmoid."""
    draft = small_network()
    del draft.operators[-2:]
    draft.dense(draft.operators[-1].outputs[0], 1)
    return draft
