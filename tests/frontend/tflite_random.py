"""Random .tflite networks: layers of every kind, behind maps in any order of dimensions."""

import math
from random import Random

import numpy as np
from tflite_files import RELU, RELU6, SAME, VALID, Draft, DraftOperator
from tflite_products import GATE, SIGNED_GATE, constant, function, multiply

#: The most elements of a map.
_LARGEST = 600

_MOST_LAYERS = 8


class RandomNetwork:
    """A draft that grows by what fits the map that it ends with."""

    def __init__(self, random: Random) -> None:
        self.random = random
        shape = self._shape()
        self.draft = Draft(shape, zero=random.randint(-128, 127), seed=random.getrandbits(32))
        self.x = 0

    def make(self) -> Draft:
        kinds = {4: _OF_MAPS, 3: _OF_SEQUENCES, 2: _OF_VECTORS}
        for _ in range(self.random.randint(1, _MOST_LAYERS)):
            kind = self.random.choice(kinds[len(self.shape)])
            kind(self)
        if len(self.shape) > 2 and self.random.random() < 0.7:
            self._reshaped((1, math.prod(self.shape)))
        self.draft.dense(self.x, 3)
        return self.draft

    @property
    def shape(self) -> tuple[int, ...]:
        return self.draft.tensors[self.x].shape

    def _shape(self) -> tuple[int, ...]:
        extents = [self.random.choice([1, 2, 3, 4, 5, 6, 7, 8]) for _ in range(3)]
        rank = self.random.choice([4, 4, 4, 4, 3, 2])
        return (1, *extents[: rank - 1])

    def _chance(self) -> bool:
        return self.random.random() < 0.5

    def _near(self, scale: float, most: float = 2.0) -> dict[str, float]:
        """A quantization whose scale is about this one."""
        factor = math.exp(self.random.uniform(-1, 1) * math.log(most))
        zero = self.random.choice([-128, 0, self.random.randint(-128, 127)])
        return {"scale": scale * factor, "zero": zero}

    def _scale(self, x: int | None = None) -> float:
        return self.draft.tensors[self.x if x is None else x].scales[0]

    def _summed(self, count: int) -> dict[str, float]:
        """Of sums of products with random weights."""
        return self._near(self._scale() * math.sqrt(count) * 0.35)

    def _activation(self) -> dict[str, int]:
        return {"FusedActivationFunction": self.random.choice([0, 0, RELU, RELU6, 2])}

    def convolution(self) -> None:
        (_, height, width, channels), random = self.shape, self.random
        taps = random.randint(1, min(3, height)), random.randint(1, min(3, width))
        strides = random.choice([(1, 1), (1, 1), (2, 2), (1, 2)])
        padding = random.choice([SAME, VALID])
        made = self._windowed((height, width), taps, strides, padding)
        options = {**self._activation(), **self._summed(taps[0] * taps[1] * channels)}
        if self._chance():
            outputs = random.randint(1, 6)
            x = self.draft.conv(self.x, (1, *made), outputs, taps, strides, padding, **options)
        else:
            options |= self._summed(taps[0] * taps[1])
            outputs = channels * random.choice([1, 1, 2])
            x = self.draft.depthwise(self.x, (1, *made), outputs, taps, strides, padding, **options)
        self.x = x

    @staticmethod
    def _windowed(extents, taps, strides, padding) -> tuple[int, ...]:
        return tuple(
            -(-(extent if padding == SAME else extent - tap + 1) // stride)
            for extent, tap, stride in zip(extents, taps, strides, strict=True)
        )

    def pool(self) -> None:
        _, height, width, channels = self.shape
        random = self.random
        window = random.randint(1, min(3, height)), random.randint(1, min(3, width))
        strides = random.choice([(1, 1), window])
        padding = random.choice([SAME, VALID])
        made = self._windowed((height, width), window, strides, padding)
        self.x = self.draft.pool(
            self.x,
            window,
            (1, *made, channels),
            random.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]),
            StrideH=strides[0],
            StrideW=strides[1],
            Padding=padding,
        )

    def pad(self) -> None:
        pads = [(self.random.randint(0, 2), self.random.randint(0, 2)) for _ in self.shape[1:]]
        if self._chance():
            pads[-1] = (0, 0)
        self.x = self.draft.pad(self.x, ((0, 0), *pads))

    def mirror(self) -> None:
        mode = self.random.randint(0, 1)
        pads = [
            [self.random.randint(0, min(2, extent - 1 + mode)) for _ in range(2)]
            for extent in self.shape[1:]
        ]
        if len(self.shape) == 4:
            pads[-1] = [0, 0]
        shape = (1, *(n + sum(pair) for n, pair in zip(self.shape[1:], pads, strict=True)))
        more = self.draft.constant("pads", np.array([[0, 0], *pads], np.int32))
        table = "MirrorPadOptions"
        self.x = self.draft.like("MIRROR_PAD", self.x, shape, more, table=table, Mode=mode)

    def crop(self) -> None:
        begin = [0, *(self.random.randint(0, (extent - 1) // 2) for extent in self.shape[1:])]
        size = [
            self.random.randint(1, extent - first)
            for extent, first in zip(self.shape, begin, strict=True)
        ]
        numbers = [self.draft.constant("n", np.array(part, np.int32)) for part in (begin, size)]
        self.x = self.draft.like("SLICE", self.x, tuple(size), *numbers)

    def blocks(self) -> None:
        _, height, width, channels = self.shape
        if channels % 4 == 0 and self._chance():
            shape = (1, height * 2, width * 2, channels // 4)
            name, table = "DEPTH_TO_SPACE", "DepthToSpaceOptions"
        elif height % 2 == width % 2 == 0:
            shape = (1, height // 2, width // 2, channels * 4)
            name, table = "SPACE_TO_DEPTH", "SpaceToDepthOptions"
        else:
            return
        self.x = self.draft.like(name, self.x, shape, table=table, BlockSize=2)

    def split(self) -> None:
        """In two parts, of which one is left, or both are joined the other way round."""
        axis = self.random.randint(1, len(self.shape) - 1)
        extent, given = self.shape[axis], self.draft.tensors[self.x]
        if extent == 1:
            return
        first = self.random.randint(1, extent - 1)
        parts = []
        for size in (first, extent - first):
            shape = (*self.shape[:axis], size, *self.shape[axis + 1 :])
            parts.append(self.draft.tensor("part", shape, "int8", given.scales, given.zeros))
        more = [
            self.draft.constant("n", np.array(numbers, np.int32))
            for numbers in ([first, extent - first], [axis])
        ]
        options = {"NumSplits": 2}
        self.draft.operators.append(
            DraftOperator("SPLIT_V", [self.x, *more], parts, "SplitVOptions", options)
        )
        if self._chance():
            self.x = self.random.choice(parts)
        else:
            self.x = self.draft.concatenate(parts[::-1], axis, self.shape)

    def thin(self) -> None:
        """Every so many places along each dimension but the last."""
        steps = [1, *(self.random.choice([1, 2, 3]) for _ in self.shape[1:-1]), 1]
        begin = [self.random.randint(0, (extent - 1) // 2) for extent in self.shape]
        end = [
            self.random.randint(first + 1, extent)
            for first, extent in zip(begin, self.shape, strict=True)
        ]
        shape = tuple(len(range(*part)) for part in zip(begin, end, steps, strict=True))
        more = [self.draft.constant("n", np.array(part, np.int32)) for part in (begin, end, steps)]
        self.x = self.draft.like("STRIDED_SLICE", self.x, shape, *more, table="StridedSliceOptions")

    def upsample(self) -> None:
        _, height, width, channels = self.shape
        made = height * self.random.randint(1, 2), width * self.random.randint(1, 3)
        size = self.draft.constant("size", np.array(made, np.int32))
        self.x = self.draft.like(
            "RESIZE_NEAREST_NEIGHBOR",
            self.x,
            (1, *made, channels),
            size,
            table="ResizeNearestNeighborOptions",
        )

    def transpose(self) -> None:
        order = list(range(1, len(self.shape)))
        self.random.shuffle(order)
        self.x = self.draft.transpose(self.x, (0, *order))

    def reshape(self) -> None:
        """To other extents, often to those before with others of 1, or to a vector."""
        total, random = math.prod(self.shape), self.random
        kept = [extent for extent in self.shape[1:] if extent > 1] or [1]
        match random.randint(0, 3):
            case 0:
                shape = (1, total)
            case 1 if len(kept) < 3:
                kept.insert(random.randint(0, len(kept)), 1)
                shape = (1, *kept)
            case 2:
                place = random.randint(0, max(len(kept) - 2, 0))
                shape = (1, *kept[:place], math.prod(kept[place : place + 2]), *kept[place + 2 :])
            case _:
                first = random.choice([n for n in range(1, total + 1) if total % n == 0])
                rest = total // first
                second = random.choice([n for n in range(1, rest + 1) if rest % n == 0])
                shape = (1, first, second, rest // second)[: random.choice([3, 4, 4])]
                if math.prod(shape) != total:
                    shape = (1, first, rest)
        self._reshaped(shape)

    def _reshaped(self, shape: tuple[int, ...]) -> None:
        self.x = self.draft.reshape(self.x, shape)

    def reduce(self) -> None:
        rank, random = len(self.shape), self.random
        axes = sorted(random.sample(range(1, rank), random.randint(1, rank - 1)))
        keeps = self._chance()
        shape = tuple(
            1 if axis in axes else extent
            for axis, extent in enumerate(self.shape)
            if keeps or axis not in axes
        )
        if len(shape) == 1:
            return
        numbers = self.draft.constant("axes", np.array(axes, np.int32))
        name = random.choice(["MEAN", "MEAN", "REDUCE_MAX"])
        options = {"table": "ReducerOptions", "KeepDims": keeps}
        if name == "MEAN" and self._chance():
            options |= self._near(self._scale() * 0.6)
            self.x = self.draft.append(name, [self.x, numbers], shape, **options)
        else:
            self.x = self.draft.like(name, self.x, shape, numbers, **options)

    def function(self) -> None:
        name = self.random.choice(["LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "ELU", "RELU"])
        given = {"LOGISTIC": GATE, "TANH": SIGNED_GATE}.get(name, self._near(self._scale()))
        if name == "LEAKY_RELU":
            given |= {"Alpha": 0.3}
        self.x = function(self.draft, name, self.x, **given)

    def requantize(self) -> None:
        given = self._near(self._scale())
        self.x = self.draft.append("QUANTIZE", [self.x], self.shape, **given)

    def _constant(self) -> int:
        """A constant that fits the map, with or without its first dimensions."""
        shape = [extent if self._chance() else 1 for extent in self.shape[1:]]
        if self._chance():
            shape = [1] * (len(shape) - 1) + [self.shape[-1]]
        while shape and shape[0] == 1 and self._chance():
            shape.pop(0)
        if len(shape) == len(self.shape) - 1 and self._chance():
            shape.insert(0, 1)
        data = self.draft.rng.integers(-128, 128, shape)
        return constant(self.draft, data, **self._near(0.02))

    def with_constant(self) -> None:
        name = self.random.choice(["ADD", "SUB", "MUL"])
        other = self._constant()
        reads = [self.x, other] if self._chance() else [other, self.x]
        self._joined(name, reads, self.shape)

    def _joined(self, name: str, reads: list[int], shape: tuple[int, ...]) -> None:
        a, b = (self.draft.tensors[number].scales[0] for number in reads)
        scale = 40 * a * b if name == "MUL" else math.hypot(a, b)
        options = {**self._near(scale), **self._activation()}
        self.x = self.draft.append(name, reads, shape, f"{name.title()}Options", **options)

    def prelu(self) -> None:
        shape = self.shape[1:]
        if self._chance():
            shape = tuple(extent if self._chance() else 1 for extent in shape)
        slopes = constant(self.draft, self.draft.rng.integers(-128, 128, shape), 0.008, 0)
        given = self._near(self._scale())
        self.x = self.draft.append("PRELU", [self.x, slopes], self.shape, **given)

    def with_earlier(self) -> None:
        """A sum or the like with a map of before, of the same shape or of one that stretches."""
        places = [
            number
            for number, tensor in enumerate(self.draft.tensors)
            if tensor.data is None
            and len(tensor.shape) == len(self.shape)
            and all(
                1 in pair or len(set(pair)) == 1
                for pair in zip(tensor.shape, self.shape, strict=True)
            )
        ]
        other = self.random.choice(places)
        pairs = zip(self.draft.tensors[other].shape, self.shape, strict=True)
        shape = tuple(max(pair) for pair in pairs)
        reads = [self.x, other] if self._chance() else [other, self.x]
        name = self.random.choice(["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"])
        if name in {"ADD", "SUB", "MUL"}:
            self._joined(name, reads, shape)
        elif self.draft.tensors[other].scales == self.draft.tensors[self.x].scales:
            self.x = self.draft.like(name, self.x, shape, other, table="MaximumMinimumOptions")

    def gate(self) -> None:
        """Squeeze and excite."""
        before, shape = self.x, self.shape
        axes = self.random.choice([(1, 2), (2, 3), (1,), (2,), (3,)])
        axes = tuple(axis for axis in axes if axis < len(shape))
        if not axes:
            return
        kept = tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))
        x = self.draft.mean(before, axes, kept, KeepDims=True, scale=self._scale() / 2)
        x = function(self.draft, "LOGISTIC", x, **GATE)
        self.x = multiply(self.draft, before, x, **self._near(self._scale(before) / 2))

    def dense(self) -> None:
        features, outputs = self.shape[-1], self.random.randint(1, 7)
        keeps = len(self.shape) > 2
        weight = self.draft.weights(self.x, (outputs, features), 0, self.random.choice([1, None]))
        shape = (*self.shape[:-1], outputs)
        if keeps and self._chance():
            shape, keeps = (math.prod(shape[:-1]), outputs), False
        options = {**self._summed(features), **self._activation(), "KeepNumDims": keeps}
        table = "FullyConnectedOptions"
        self.x = self.draft.append("FULLY_CONNECTED", [self.x, *weight], shape, table, **options)
        if shape[0] > 1:
            self._reshaped((1, *shape))

    def concatenate(self) -> None:
        axis = len(self.shape) - 1
        others = [
            number
            for number, tensor in enumerate(self.draft.tensors)
            if tensor.data is None
            and tensor.shape[:-1] == self.shape[:-1]
            and tensor.scales == self.draft.tensors[self.x].scales
            and tensor.zeros == self.draft.tensors[self.x].zeros
        ]
        maps = [self.x, *self.random.choices(others, k=self.random.randint(1, 2))]
        self.random.shuffle(maps)
        shape = (*self.shape[:-1], sum(self.draft.tensors[x].shape[-1] for x in maps))
        self.x = self.draft.concatenate(maps, axis, shape)

    def branch(self) -> None:
        """Two functions of one map, side by side or joined otherwise."""
        before, given = self.x, self._near(self._scale())
        a = function(self.draft, "LEAKY_RELU", before, **given, Alpha=0.1)
        b = self.draft.append("QUANTIZE", [before], self.shape, **given)
        shape = (*self.shape[:-1], 2 * self.shape[-1])
        self.x = self.draft.concatenate([a, b], len(shape) - 1, shape)


_EVERYWHERE = [
    RandomNetwork.transpose,
    RandomNetwork.reshape,
    RandomNetwork.reshape,
    RandomNetwork.reduce,
    RandomNetwork.function,
    RandomNetwork.requantize,
    RandomNetwork.with_constant,
    RandomNetwork.with_constant,
    RandomNetwork.prelu,
    RandomNetwork.with_earlier,
    RandomNetwork.with_earlier,
    RandomNetwork.gate,
    RandomNetwork.dense,
    RandomNetwork.concatenate,
    RandomNetwork.branch,
    RandomNetwork.crop,
    RandomNetwork.pad,
    RandomNetwork.split,
    RandomNetwork.thin,
]
_OF_VECTORS = [*_EVERYWHERE, RandomNetwork.dense, RandomNetwork.reshape]
_OF_SEQUENCES = [*_EVERYWHERE, RandomNetwork.reshape]
_OF_MAPS = [
    *_EVERYWHERE,
    RandomNetwork.convolution,
    RandomNetwork.convolution,
    RandomNetwork.convolution,
    RandomNetwork.pool,
    RandomNetwork.upsample,
    RandomNetwork.blocks,
    RandomNetwork.mirror,
]
