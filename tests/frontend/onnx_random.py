"""Random .onnx networks: layers of every kind, behind maps in any order of dimensions."""

import math
from random import Random

import numpy as np
from onnx_files import Draft

#: The most elements of a map.
_LARGEST = 900

_MOST_LAYERS = 8


class RandomNetwork:
    """A draft that grows by what fits the map that it ends with."""

    def __init__(self, random: Random) -> None:
        self.random = random
        extents = [random.choice([1, 2, 3, 4, 5, 6, 7, 8]) for _ in range(3)]
        shape = (1, *extents[: random.choice([3, 3, 3, 3, 2, 1])])
        zero = random.randint(-128, 127)
        self.draft = Draft(shape, zero=zero, seed=random.getrandbits(32))
        self.x = "sample_q"
        #: Names of operators, for what a failure says.
        self.steps = []

    def make(self) -> Draft:
        kinds = {2: _OF_VECTORS, 3: _OF_SEQUENCES, 4: _OF_MAPS, 5: _EVERYWHERE}
        for _ in range(self.random.randint(1, _MOST_LAYERS)):
            kind = self.random.choice(kinds[len(self.shape)])
            self.steps.append(kind.__name__)
            kind(self)
        if len(self.shape) > 2:
            self._reshaped((1, math.prod(self.shape)))
        return self.draft.finish(self.draft.gemm(self.x, 3))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.draft.shapes[self.x]

    def _chance(self) -> bool:
        return self.random.random() < 0.5

    def _numbers(self, numbers) -> str:
        return self.draft.constant(self.draft.unused("numbers"), np.array(numbers, np.int64))

    def _spread(self, factor: float = 1.0) -> float:
        """What 40 steps of a result stand for: some times that of the map."""
        scale, _ = self.draft.quantizations[self.x]
        return 40 * scale * factor * math.exp(self.random.uniform(-0.5, 0.5))

    def _zero(self) -> int:
        return self.random.choice([-128, 0, self.random.randint(-128, 127)])

    def _append(self, operator, shape, more=(), factor=1.0, **attributes) -> None:
        """A layer whose result is quantized as its map, or otherwise."""
        if self._chance():
            self.x = self.draft.like(operator, self.x, shape, more, **attributes)
        else:
            spread = self._spread(factor)
            self.x = self.draft.append(
                operator, [self.x], shape, spread, self._zero(), more, **attributes
            )

    def _moved(self, operator, shape, more=(), **attributes) -> None:
        self.x = self.draft.like(operator, self.x, shape, more, **attributes)

    def convolution(self) -> None:
        extents, random = self.shape[2:], self.random
        taps = tuple(random.randint(1, min(3, extent)) for extent in extents)
        strides = tuple(random.choice([1, 1, 2]) for _ in extents)
        pads = tuple(random.randint(0, tap // 2) for tap in taps * 2)
        options = {"strides": strides, "pads": pads}
        if self._chance():
            self.x = self.draft.conv(self.x, random.randint(1, 6), taps, **options)
        else:
            self.x = self.draft.depthwise(self.x, taps, **options)
        if self._chance():
            self.draft.relu(self.x)

    def pool(self) -> None:
        extents, random = self.shape[2:], self.random
        window = tuple(random.randint(1, min(3, extent)) for extent in extents)
        strides = random.choice([(1,) * len(extents), window])
        made = [(e - w) // s + 1 for e, w, s in zip(extents, window, strides, strict=True)]
        shape = (*self.shape[:2], *made)
        name = random.choice(["AveragePool", "MaxPool"])
        self._moved(name, shape, kernel_shape=window, strides=strides)

    def pool_everything(self) -> None:
        name = self.random.choice(["GlobalAveragePool", "GlobalMaxPool"])
        self._moved(name, (*self.shape[:2], *(1,) * (len(self.shape) - 2)))

    def normalize(self) -> None:
        channels = self.shape[1]
        draw = self.draft.rng.uniform
        ranges = ((0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5))
        more = [
            self.draft.constant(self.draft.unused("norm"), draw(*ends, channels).astype("float32"))
            for ends in ranges
        ]
        self.x = self.draft.append(
            "BatchNormalization", [self.x], self.shape, self._spread(1.5), self._zero(), more
        )

    def upsample(self) -> None:
        shape = [extent * self.random.randint(1, 2) for extent in self.shape]
        shape[:2] = self.shape[:2]
        options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        self._moved("Resize", tuple(shape), ["", "", self._numbers(shape)], **options)

    def blocks(self) -> None:
        _, channels, height, width = self.shape
        fits = []
        if channels % 4 == 0:
            shape = (1, channels // 4, height * 2, width * 2)
            fits += [("DepthToSpace", shape, {"mode": mode}) for mode in ("DCR", "CRD")]
        if height % 2 == width % 2 == 0:
            fits.append(("SpaceToDepth", (1, channels * 4, height // 2, width // 2), {}))
        if fits:
            operator, shape, options = self.random.choice(fits)
            self._moved(operator, shape, blocksize=2, **options)

    def transpose(self) -> None:
        order = list(range(1, len(self.shape)))
        self.random.shuffle(order)
        self._moved("Transpose", (1, *(self.shape[axis] for axis in order)), perm=(0, *order))

    def reshape(self) -> None:
        """To any extents, often to those before with two of them joined or one taken apart."""
        total, random = math.prod(self.shape), self.random
        shape = list(self.shape[1:])
        match random.randint(0, 4):
            case 0:
                shape = [total]
            case 1 if len(shape) < 4:
                shape.insert(random.randint(0, len(shape)), 1)
            case 2 if len(shape) > 1:
                place = random.randint(0, len(shape) - 2)
                shape[place : place + 2] = [math.prod(shape[place : place + 2])]
            case 3 if len(shape) < 4:
                place = random.randint(0, len(shape) - 1)
                extent = shape[place]
                part = random.choice([n for n in range(1, extent + 1) if extent % n == 0])
                shape[place : place + 1] = [part, extent // part]
            case _:
                first = random.choice([n for n in range(1, total + 1) if total % n == 0])
                rest = total // first
                second = random.choice([n for n in range(1, rest + 1) if rest % n == 0])
                shape = [first, second, rest // second]
        self._reshaped((1, *shape))

    def _reshaped(self, shape) -> None:
        self._moved("Reshape", tuple(shape), [self._numbers(shape)])

    def flatten(self) -> None:
        self._moved("Flatten", (1, math.prod(self.shape)))

    def shuffle(self) -> None:
        """Groups of a dimension and what is in them exchanged."""
        places = [axis for axis, extent in enumerate(self.shape) if extent % 2 == 0]
        if not places or len(self.shape) > 4:
            return
        axis = self.random.choice(places)
        before = self.shape
        self._reshaped((*before[:axis], 2, before[axis] // 2, *before[axis + 1 :]))
        order = list(range(len(self.shape)))
        order[axis : axis + 2] = [axis + 1, axis]
        self._moved("Transpose", tuple(self.shape[place] for place in order), perm=order)
        self._reshaped(before)

    def reduce(self) -> None:
        rank, random = len(self.shape), self.random
        axes = sorted(random.sample(range(1, rank), random.randint(1, rank - 1)))
        keeps = len(axes) == rank - 1 or self._chance()
        shape = tuple(
            1 if axis in axes else extent
            for axis, extent in enumerate(self.shape)
            if keeps or axis not in axes
        )
        name = random.choice(["ReduceMean", "ReduceMean", "ReduceMax"])
        self._append(name, shape, [self._numbers(axes)], 0.6, keepdims=int(keeps))

    def function(self) -> None:
        name = self.random.choice(["Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Elu", "Relu"])
        if name in {"Sigmoid", "Tanh"}:
            self.x = self.draft.append(name, [self.x], self.shape, 40 / 128, 0)
        else:
            self._append(name, self.shape)

    def _constant(self) -> str:
        """A constant that fits the map, with or without its first dimensions."""
        shape = [extent if self._chance() else 1 for extent in self.shape[1:]]
        if self._chance():
            shape = [1] * (len(shape) - 1) + [self.shape[-1]]
        elif self._chance():
            shape = [self.shape[1]] + [1] * (len(shape) - 1)
        while shape and shape[0] == 1 and self._chance():
            shape.pop(0)
        if len(shape) == len(self.shape) - 1 and self._chance():
            shape.insert(0, 1)
        name = self.draft.unused("constant")
        data = self.draft.rng.integers(-127, 128, shape).astype(np.int8)
        scale = np.float32(0.012)
        reads = [
            self.draft.constant(f"{name}_quantized", data),
            self.draft.constant(f"{name}.scale", scale),
            self.draft.constant(f"{name}.zero", np.int8(0)),
        ]
        return self.draft.node("DequantizeLinear", reads, [name])

    def with_constant(self) -> None:
        """A sum or a product with numbers, quantized as a quantizer does or not at all."""
        name = self.random.choice(["Add", "Sub", "Mul"])
        other = self._constant()
        reads = [self.draft.dequantize(self.x), other]
        if self._chance():
            reads.reverse()
        real = self.draft.node(name, reads, [self.draft.unused(name.lower())])
        spread = self._spread(1.0 if name == "Mul" else 1.3)
        made = self.draft.unused(f"{name}_q")
        self.x = self.draft.quantize(real, self.shape, spread / 40, self._zero(), made)

    def prelu(self) -> None:
        shape = [extent if self._chance() else 1 for extent in self.shape[1:]]
        if self._chance():
            shape = [self.shape[1]] + [1] * (len(shape) - 1)
        slopes = self.draft.rng.uniform(-0.5, 0.9, shape).astype(np.float32)
        more = [self.draft.constant(self.draft.unused("slopes"), slopes)]
        spread = self._spread(0.8)
        self.x = self.draft.append("PRelu", [self.x], self.shape, spread, self._zero(), more)

    def with_earlier(self) -> None:
        """A sum or the like with a map of before, of the same shape or of one that stretches."""
        names = [
            name
            for name, shape in self.draft.shapes.items()
            if len(shape) == len(self.shape)
            and all(1 in pair or len({*pair}) == 1 for pair in zip(shape, self.shape, strict=True))
        ]
        other = self.random.choice(names)
        pairs = zip(self.draft.shapes[other], self.shape, strict=True)
        shape = tuple(max(pair) for pair in pairs)
        self._pair(other, shape)

    def _pair(self, other, shape) -> None:
        name = self.random.choice(["Add", "Sub", "Mul", "Max", "Min"])
        a, b = (self.draft.quantizations[x][0] for x in (self.x, other))
        spread = 40 * (1600 * a * b if name == "Mul" else math.hypot(a, b))
        if name == "Mul":
            spread /= 40
        reads = [self.x, other] if self._chance() else [other, self.x]
        self.x = self.draft.append(name, reads, shape, spread, self._zero())

    def gate(self) -> None:
        """Squeeze and excite."""
        before, shape = self.x, self.shape
        axes = self.random.choice([(2, 3), (1,), (2,), (3,)])
        axes = tuple(axis for axis in axes if axis < len(shape))
        if not axes:
            return
        kept = tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))
        self._append("ReduceMean", kept, [self._numbers(axes)], 0.5, keepdims=1)
        gate = self.draft.append("Sigmoid", [self.x], kept, 40 / 256, -128)
        spread = 20 * self.draft.quantizations[before][0]
        self.x = self.draft.append("Mul", [before, gate], shape, spread, self._zero())

    def dense(self) -> None:
        features, outputs = self.shape[-1], self.random.randint(1, 7)
        shape = (*self.shape[:-1], outputs)
        as_rows = len(shape) == 3 and self._chance()  # as PyTorch's exporter writes it
        if as_rows:
            self._reshaped((shape[1], features))
        more, spread = self.draft.weights(self.x, (features, outputs), 1, "float32")
        real = self.draft.node(
            "MatMul", [self.draft.dequantize(self.x), more[0]], [self.draft.unused("matmul")]
        )
        if self._chance():
            real = self.draft.node("Add", [more[1], real], [self.draft.unused("biased")])
        made = self.draft.unused("dense_q")
        shape = shape[1:] if as_rows else shape
        self.x = self.draft.quantize(real, shape, spread / 40, self._zero(), made)
        if as_rows:
            if self._chance():
                self.function()
            self._reshaped((1, *shape))

    def concatenate(self) -> None:
        """With maps that differ along one dimension alone, whatever their scales."""
        axis = self.random.randint(1, len(self.shape) - 1)
        others = [
            name
            for name, shape in self.draft.shapes.items()
            if len(shape) == len(self.shape)
            and (*shape[:axis], *shape[axis + 1 :]) == (*self.shape[:axis], *self.shape[axis + 1 :])
        ]
        maps = [self.x, *self.random.choices(others, k=self.random.randint(1, 2))]
        self.random.shuffle(maps)
        extent = sum(self.draft.shapes[x][axis] for x in maps)
        shape = (*self.shape[:axis], extent, *self.shape[axis + 1 :])
        if math.prod(shape) > _LARGEST:
            return
        spread = 40 * max(self.draft.quantizations[x][0] for x in maps)
        self.x = self.draft.append("Concat", maps, shape, spread, self._zero(), axis=axis)

    def crop(self) -> None:
        axes = sorted(self.random.sample(range(1, len(self.shape)), self.random.randint(1, 1)))
        begin = [self.random.randint(0, (self.shape[axis] - 1) // 2) for axis in axes]
        step = self.random.choice([1, 1, 1, 2]) if len(self.shape) > 2 else 1
        end = [
            self.random.randint(first + 1, self.shape[axis])
            for first, axis in zip(begin, axes, strict=True)
        ]
        shape = list(self.shape)
        for axis, first, last in zip(axes, begin, end, strict=True):
            shape[axis] = len(range(first, last, step))
        more = [self._numbers(part) for part in (begin, end, axes, [step] * len(axes))]
        self._moved("Slice", tuple(shape), more)

    def pick(self) -> None:
        """One place along a dimension, which is dropped then."""
        axis = self.random.randint(1, len(self.shape) - 1)
        if len(self.shape) < 3:
            return
        place = self.draft.constant(
            self.draft.unused("place"), np.int64(self.random.randrange(self.shape[axis]))
        )
        shape = (*self.shape[:axis], *self.shape[axis + 1 :])
        self._moved("Gather", shape, [place], axis=axis)

    def split(self) -> None:
        """In two parts, which are added or joined the other way round."""
        places = [axis for axis in range(1, len(self.shape)) if self.shape[axis] % 2 == 0]
        if not places:
            return
        axis = self.random.choice(places)
        shape = list(self.shape)
        shape[axis] //= 2
        sizes = self._numbers([shape[axis]] * 2)
        names = [self.draft.unused("part") for _ in range(2)]
        reads = [self.draft.dequantize(self.x), sizes]
        self.draft.node("Split", reads, names, axis=axis)
        given = self.draft.quantizations[self.x]
        a, b = (self.draft.quantize(name, shape, *given, f"{name}_q") for name in names)
        self.x = a
        if self._chance():
            self._pair(b, tuple(shape))
        else:
            self.x = self.draft.append("Concat", [b, a], self._doubled(shape, axis), axis=axis)

    @staticmethod
    def _doubled(shape, axis) -> tuple[int, ...]:
        return (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :])

    def pad(self) -> None:
        pads = [(self.random.randint(0, 2), self.random.randint(0, 2)) for _ in self.shape[1:]]
        if self._chance():
            pads[0] = (0, 0)
        pads.insert(0, (0, 0))
        shape = tuple(extent + sum(pair) for extent, pair in zip(self.shape, pads, strict=True))
        if math.prod(shape) <= _LARGEST:
            numbers = [pair[0] for pair in pads] + [pair[1] for pair in pads]
            mode = self.random.choice(["constant", "edge"]) if pads[1] == (0, 0) else "constant"
            self._moved("Pad", shape, [self._numbers(numbers)], mode=mode)


_ANY = [
    RandomNetwork.transpose,
    RandomNetwork.transpose,
    RandomNetwork.reshape,
    RandomNetwork.reshape,
    RandomNetwork.reduce,
    RandomNetwork.function,
    RandomNetwork.with_constant,
    RandomNetwork.with_earlier,
    RandomNetwork.concatenate,
    RandomNetwork.flatten,
    RandomNetwork.dense,
]
_EVERYWHERE = [
    *_ANY,
    RandomNetwork.shuffle,
    RandomNetwork.prelu,
    RandomNetwork.gate,
    RandomNetwork.crop,
    RandomNetwork.split,
    RandomNetwork.pad,
    RandomNetwork.pick,
]
_OF_VECTORS = [*_EVERYWHERE, RandomNetwork.reshape, RandomNetwork.reshape]
_OF_SEQUENCES = [
    *_EVERYWHERE,
    RandomNetwork.convolution,
    RandomNetwork.convolution,
    RandomNetwork.pool,
    RandomNetwork.normalize,
    RandomNetwork.pool_everything,
]
_OF_MAPS = [*_OF_SEQUENCES, RandomNetwork.upsample, RandomNetwork.blocks]
