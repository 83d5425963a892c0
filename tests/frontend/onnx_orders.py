"""Drafts of .onnx files for which elements have to move."""

import math

import numpy as np
from onnx_drafts import ended
from onnx_files import Draft


def begun(outputs=4, shape=(1, 3, 8, 6)):
    draft = Draft(shape, opset=19)
    return draft, draft.conv("sample_q", outputs, (3,) * (len(shape) - 2))


def numbers(draft, *given):
    return draft.constant(draft.unused("numbers"), np.array(given))


def reshaped(draft, x, *shape):
    return draft.like("Reshape", x, shape, [numbers(draft, *shape)])


def transposed(draft, x, *perm):
    shape = tuple(draft.shapes[x][axis] for axis in perm)
    return draft.like("Transpose", x, shape, perm=perm)


def convolved():
    """Rows and columns that change places, then channels in the place of columns."""
    draft, x = begun()
    x = draft.conv(transposed(draft, x, 0, 1, 3, 2), 5)
    return ended(draft, draft.conv(transposed(draft, x, 0, 3, 2, 1), 4))


def other_extents():
    draft, x = begun()
    return ended(draft, draft.conv(reshaped(draft, x, 1, 8, 4, 6), 3))


def by_its_transpose():
    """A map of as many rows as columns, times itself the other way round."""
    draft, x = begun(shape=(1, 3, 6, 6))
    y = transposed(draft, x, 0, 1, 3, 2)
    return ended(draft, draft.append("Mul", [x, y], draft.shapes[x], 2.0))


def along(draft, x, outputs, *, as_rows=False):
    """A dense layer along positions, or of rows, as PyTorch's exporter writes one."""
    shape = draft.shapes[x]
    if as_rows:
        x = reshaped(draft, x, math.prod(shape[:-1]), shape[-1])
    more, spread = draft.weights(x, (shape[-1], outputs), 1, "float32")
    operator = "Gemm" if as_rows else "MatMul"
    given = more if as_rows else more[:1]
    made = (*draft.shapes[x][:-1], outputs)
    x = draft.append(operator, [x], made, spread, more=given)
    return reshaped(draft, x, *shape[:-1], outputs) if as_rows else x


def mixed(*, as_rows):
    """Dense layers along positions, then along channels, as mixers have them."""
    draft, x = begun(6, (1, 3, 4, 4))
    x = transposed(draft, reshaped(draft, x, 1, 6, 16), 0, 2, 1)
    for _ in range(2):
        y = along(draft, transposed(draft, x, 0, 2, 1), 16, as_rows=as_rows)
        x = draft.add(x, transposed(draft, y, 0, 2, 1))
        x = draft.add(x, along(draft, x, 6, as_rows=as_rows))
    x = draft.like("ReduceMean", x, (1, 6), [numbers(draft, 1)], keepdims=0)
    return ended(draft, x)


def rows():
    """Rows without a batch times a number for each column, plus others, times themselves."""
    draft, x = begun(6, (1, 3, 4, 4))
    x = reshaped(draft, transposed(draft, x, 0, 2, 3, 1), 16, 6)
    for operator, spread in (("Mul", 3.0), ("Add", 4.0)):
        given = draft.rng.uniform(-1.5, 1.5, 6).astype(np.float32)
        more = [draft.constant(draft.unused("column"), given)]
        x = draft.append(operator, [x], (16, 6), spread, more=more)
    x = draft.append("Mul", [x, x], (16, 6), 9.0)
    return draft.finish(draft.gemm(reshaped(draft, x, 1, 96), 3))


def with_positions():
    """Numbers for each position and channel of what a dense layer makes, and no bias."""
    draft, x = begun(6, (1, 3, 4, 4))
    x = transposed(draft, reshaped(draft, x, 1, 6, 16), 0, 2, 1)
    more, spread = draft.weights(x, (6, 5), 1, "float32")
    real = draft.node("MatMul", [draft.dequantize(x), more[0]], [draft.unused("matmul")])
    x = draft.quantize(real, (1, 16, 5), spread / 40, 3, draft.unused("dense_q"))
    other = draft.rng.integers(-127, 128, (1, 16, 5)).astype(np.int8)
    reads = [draft.constant("positions_quantized", other)]
    reads += [draft.constant("s", np.float32(0.02)), draft.constant("z", np.int8(0))]
    real = draft.node("DequantizeLinear", reads, ["positions"])
    x = draft.append("Add", [x], (1, 16, 5), 1.2 * spread, more=[real])
    return draft.finish(draft.gemm(draft.flatten(x), 3))


def steps_first():
    """[step, batch, feature], as PyTorch's sequences are unless they are told otherwise."""
    draft, x = begun(5, (1, 3, 12))
    x = along(draft, transposed(draft, x, 2, 0, 1), 4)
    x = transposed(draft, x, 1, 2, 0)
    return draft.finish(draft.gemm(draft.flatten(draft.conv(x, 4, (3,))), 3))


def attended():
    """A map times a gate that is made of the mean and the maximum over its channels."""
    draft, x = begun()
    axes = numbers(draft, 1)
    parts = [
        draft.like(f"Reduce{what}", x, (1, 1, 8, 6), [axes], keepdims=1) for what in ("Mean", "Max")
    ]
    y = draft.append("Concat", parts, (1, 2, 8, 6), axis=1)
    y = draft.append("Sigmoid", [draft.conv(y, 1)], (1, 1, 8, 6), 40 / 256, -128)
    return ended(draft, draft.append("Mul", [x, y], (1, 4, 8, 6), 2.0))


def reduced(operator, axes, shape, keepdims=1):
    def make():
        draft, x = begun()
        x = draft.like(operator, x, shape, [numbers(draft, *axes)], keepdims=keepdims)
        return draft.finish(draft.gemm(draft.flatten(x), 3))

    return make


def summed(axes, shape, keepdims=1):
    def make():
        draft, x = begun()
        spread = 5 * 40 * draft.quantizations[x][0]
        more = [numbers(draft, *axes)]
        x = draft.append("ReduceSum", [x], shape, spread, -20, more, keepdims=keepdims)
        return draft.finish(draft.gemm(draft.flatten(x), 3))

    return make


def joined_vectors():
    """Flattened maps of two sizes, one behind the other."""
    draft, x = begun()
    y = draft.pool(x, "MaxPool", (2, 2), strides=(2, 2), shape=(1, 4, 4, 3))
    x, y = draft.flatten(x), draft.flatten(y)
    return draft.finish(draft.gemm(draft.append("Concat", [x, y], (1, 240), axis=1), 3))


def part_of_a_vector():
    draft, x = begun()
    more = [numbers(draft, first) for first in (30, 170, 1)]
    x = draft.like("Slice", draft.flatten(x), (1, 140), more)
    return draft.finish(draft.gemm(x, 3))


def padded_vector():
    draft, x = begun()
    x = draft.like("Pad", draft.flatten(x), (1, 195), [numbers(draft, 0, 2, 0, 1)])
    return draft.finish(draft.gemm(x, 3))


def slopes(*shape):
    """A parametric rectifier of a map, or of a vector that was one."""

    def make():
        draft, x = begun()
        x = draft.flatten(x) if len(shape) == 1 else x
        data = draft.rng.uniform(-0.5, 0.9, shape).astype(np.float32)
        x = draft.like("PRelu", x, draft.shapes[x], [draft.constant("slopes", data)])
        return draft.finish(draft.gemm(draft.flatten(x), 3))

    return make


def blocks(operator, shape, **attributes):
    def make():
        draft, x = begun(8)
        x = draft.like(operator, x, shape, blocksize=2, **attributes)
        return ended(draft, draft.conv(x, 4))

    return make


def windows():
    """A map in windows of four positions, each of them a vector, and back."""
    draft, x = begun(6)
    x = transposed(draft, reshaped(draft, x, 1, 6, 4, 2, 3, 2), 0, 2, 4, 1, 3, 5)
    x = along(draft, reshaped(draft, x, 1, 12, 24), 8)
    x = transposed(draft, reshaped(draft, x, 1, 4, 3, 8), 0, 3, 1, 2)
    return ended(draft, draft.conv(x, 4))


def split_rows():
    """The upper half plus the lower one."""
    draft, x = begun()
    reads = [draft.dequantize(x), numbers(draft, 4, 4)]
    draft.node("Split", reads, ["upper", "lower"], axis=2)
    given = draft.quantizations[x]
    parts = [draft.quantize(name, (1, 4, 4, 6), *given, f"{name}_q") for name in ("upper", "lower")]
    return ended(draft, draft.conv(draft.add(*parts), 4))


def windows_of_places():
    """As PyTorch exports a signal that is unfolded, and a part of it."""
    draft, x = begun(5, (1, 3, 12))
    index = draft.constant("index", np.arange(12).reshape(3, 4))
    x = draft.like("Gather", x, (1, 5, 3, 4), [index], axis=2)
    index = draft.constant("some", np.array([1, 2, -1]))
    x = draft.like("Gather", x, (1, 5, 3, 3), [index], axis=3)
    return ended(draft, draft.conv(transposed(draft, x, 0, 2, 1, 3), 4))


def every_other_channel():
    draft, x = begun(8)
    more = [numbers(draft, number) for number in (1, 8, 1, 2)]
    return ended(draft, draft.conv(draft.like("Slice", x, (1, 4, 8, 6), more), 3))


def normalized_columns():
    """A normalization behind columns in the place of channels, of which there are as many."""
    draft, x = begun(6, (1, 3, 5, 6))
    x = transposed(draft, x, 0, 3, 2, 1)
    ends = ((0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5))
    more = [
        draft.constant(f"norm{n}", draft.rng.uniform(*end, 6).astype(np.float32))
        for n, end in enumerate(ends)
    ]
    x = draft.append("BatchNormalization", [x], (1, 6, 5, 6), 3.0, more=more)
    return ended(draft, draft.conv(x, 4))


def pooled_columns():
    """A global pool behind columns in the place of channels, of which there are as many."""
    draft, x = begun(6, (1, 3, 5, 6))
    x = draft.like("GlobalAveragePool", transposed(draft, x, 0, 2, 3, 1), (1, 5, 1, 1))
    return ended(draft, x)


def groups_apart():
    """A function while the channels are two dimensions."""
    draft, x = begun(12)
    x = draft.append("Tanh", [reshaped(draft, x, 1, 3, 4, 8, 6)], (1, 3, 4, 8, 6), 40 / 128, 0)
    x = reshaped(draft, transposed(draft, x, 0, 2, 1, 3, 4), 1, 12, 8, 6)
    return ended(draft, draft.conv(x, 4))


def bordered(mode, *, is_turned=False):
    """Padding with positions of the map itself, more on some sides than on others."""

    def make():
        draft, x = begun()
        x = transposed(draft, x, 0, 2, 1, 3) if is_turned else x
        pads = np.array([0, 0, 2, 1, 0, 0, 1, 3])
        extents = zip(draft.shapes[x], pads[:4], pads[4:], strict=True)
        shape = tuple(int(extent + before + after) for extent, before, after in extents)
        x = draft.like("Pad", x, shape, [draft.constant("pads", pads)], mode=mode)
        return ended(draft, draft.conv(x, 4, pads=(0, 0, 0, 0)))

    return make


DRAFTS = {
    "reflected": bordered("reflect"),
    "repeated edges": bordered("edge"),
    "from the other side": bordered("wrap"),
    "reflected channels": bordered("reflect", is_turned=True),
    "convolved": convolved,
    "other extents": other_extents,
    "by its transpose": by_its_transpose,
    "mixed": lambda: mixed(as_rows=False),
    "mixed by rows": lambda: mixed(as_rows=True),
    "rows": rows,
    "with positions": with_positions,
    "steps first": steps_first,
    "attended": attended,
    "mean over channels": reduced("ReduceMean", [1], (1, 1, 8, 6)),
    "mean over channels, without them": reduced("ReduceMean", [-3], (1, 8, 6), 0),
    "maximum over channels and rows": reduced("ReduceMax", [1, 2], (1, 6), 0),
    "sum over positions": summed([2, 3], (1, 4), 0),
    "sum over channels": summed([1], (1, 1, 8, 6)),
    "mean over all": reduced("ReduceMean", [1, 2, 3], (1, 1, 1, 1)),
    "joined vectors": joined_vectors,
    "part of a vector": part_of_a_vector,
    "padded vector": padded_vector,
    "slopes of rows": slopes(1, 8, 1),
    "slopes of elements": slopes(4, 8, 6),
    "slopes of a vector": slopes(192),
    "depth to space": blocks("DepthToSpace", (1, 2, 16, 12)),
    "depth to space by channels": blocks("DepthToSpace", (1, 2, 16, 12), mode="CRD"),
    "space to depth": blocks("SpaceToDepth", (1, 32, 4, 3)),
    "windows": windows,
    "split rows": split_rows,
    "every other channel": every_other_channel,
    "windows of places": windows_of_places,
    "normalized columns": normalized_columns,
    "pooled columns": pooled_columns,
    "groups apart": groups_apart,
}
