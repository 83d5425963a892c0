"""Layers of .onnx files for which elements have to move, and random networks of all layers."""

import math

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from onnx_drafts import ended
from onnx_files import Draft
from onnx_random import RandomNetwork
from runtime import compare, samples

from experiments.importing.onnx_runtime import session
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.ir import LabelKind
from kilograd.scheme import load_scheme
from kilograd.targets import get_target


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


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_numbers_of_moved_elements(what):
    draft = DRAFTS[what]()
    found = compare(draft.content(), list(samples(draft.shapes["sample_q"], 20)))
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    assert found.same_class >= 19


TRAINED = [
    *("reflected", "repeated edges", "from the other side", "mixed by rows", "attended"),
    *("windows", "depth to space", "steps first"),
]


@pytest.mark.parametrize("what", TRAINED)
def test_training_moves_gradients_back(what, tmp_path, learns_alike):
    assert learns_alike(load_model(str(DRAFTS[what]().write(tmp_path / "net.onnx"))))


def moves(draft, tmp_path):
    graph = load_model(str(draft.write(tmp_path / "net.onnx")))
    return [node.operator for node in graph.nodes if node.operator in {"transpose", "reshape"}]


def test_only_what_is_read_in_another_order_moves(tmp_path):
    assert moves(convolved(), tmp_path).count("transpose") == 2
    assert moves(attended(), tmp_path).count("transpose") == 1
    assert "transpose" not in moves(split_rows(), tmp_path)
    # One there and one back for each layer along positions.
    assert moves(mixed(as_rows=True), tmp_path).count("transpose") == 4
    # To vectors at once, whatever shapes stand between.
    assert moves(windows(), tmp_path).count("transpose") == 1
    draft, x = begun()
    x = transposed(draft, transposed(draft, x, 0, 2, 3, 1), 0, 3, 1, 2)
    x = reshaped(draft, reshaped(draft, x, 1, 2, 2, 8, 3, 2), 1, 4, 8, 6)
    assert moves(ended(draft, draft.conv(x, 4)), tmp_path) == []


def makes_sample_again(shape, *perm):
    """Dense layers that make a picture again, as a vector or in another order of dimensions."""
    draft = Draft(shape)
    elements = math.prod(shape)
    x = draft.gemm(draft.gemm(draft.flatten("sample_q"), 5), elements)
    if perm:
        x = reshaped(draft, x, 1, *(shape[axis] for axis in perm[1:]))
        x = transposed(draft, x, *(perm.index(axis) for axis in range(len(perm))))
    return draft.finish(x)


@pytest.mark.parametrize("perm", [(), (0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2)])
def test_a_picture_is_compared_with_itself(perm, tmp_path):
    """What a network makes again lies in memory as its sample, whatever the file's order is."""
    pytest.importorskip("onnxruntime")
    draft = makes_sample_again((1, 3, 4, 6), *perm)
    path = draft.write(tmp_path / "net.onnx")
    graph = load_model(str(path))
    assert graph.label_kind is LabelKind.ANOMALY
    runtime = session(draft.proto())
    program = compile_model(graph, load_scheme("head", graph), get_target("host"))
    scale, zero = draft.quantizations["sample_q"]
    with open_device(program, "host") as device:
        device.initialize(0)
        for given in samples((1, 3, 4, 6), 4):
            (made,) = runtime.run(None, {"sample": given})
            steps = np.clip(np.rint(given / np.float32(scale)) + zero, -128, 127)
            error = np.square(made.reshape(given.shape) - (steps - zero) * scale).mean()
            sample = steps[0].transpose(1, 2, 0).astype(np.int8)
            unit = graph.value_range[1]
            found = device.predict(sample)[0] * 2.0**-28 * unit**2
            assert found == pytest.approx(error, rel=0.05)


@pytest.mark.oracle
@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_numbers_of_random_networks(tmp_path_factory, random):
    """Of those that are carried; the others are refused in words."""
    path = tmp_path_factory.getbasetemp() / "random_networks.onnx"
    draft = RandomNetwork(random).make()
    content = draft.write(path).read_bytes()
    try:
        load_model(str(path))
    except ModelError as error:
        is_damaged = "damaged" in str(error)
    else:
        is_damaged = None
    assert not is_damaged
    if is_damaged is not None:
        reject()  # too many of them fail the test
    found = compare(content, list(samples(draft.shapes["sample_q"], 2)))
    assert found.alone.most <= 1
