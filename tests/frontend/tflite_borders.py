"""Drafts of .tflite files whose layers pad, crop, clamp, or change samples before they are read."""

from dataclasses import replace

import numpy as np
from tflite_drafts import MAX, ended
from tflite_files import RELU, RELU6, VALID, Draft

RELU_N1_TO_1 = 2


def begun(shape=(1, 7, 6, 3), outputs=4, **options):
    """A convolution whose result has negative numbers."""
    draft = Draft(shape)
    return draft, draft.conv(0, shape[:3], outputs, **options)


def numbers(draft, *values):
    return draft.constant("numbers", np.array(values, np.int32))


def strided(draft, x, begin, end, shape, **masks):
    """STRIDED_SLICE by single steps."""
    given = [numbers(draft, *part) for part in (begin, end, [1] * len(begin))]
    table = {"table": "StridedSliceOptions"}
    return draft.like("STRIDED_SLICE", x, shape, *given, **table, **masks)


def cropped(draft, x, begin, size):
    """SLICE."""
    return draft.like("SLICE", x, size, numbers(draft, *begin), numbers(draft, *size))


def filled(draft, x, pads, fill):
    """PADV2, with a number of its own."""
    shape = [n + sum(pad) for n, pad in zip(draft.tensors[x].shape, pads, strict=True)]
    number = bound(draft, x, np.asarray(fill, np.int8))
    return draft.like("PADV2", x, shape, numbers(draft, *np.ravel(pads)), number)


def filled_pool(zero=5):
    """Padding with the lowest number, as PyTorch's max pools have it."""
    draft, x = begun(zero=zero)
    x = filled(draft, x, ((0, 0), (1, 1), (1, 0), (0, 0)), -128)
    return ended(draft, draft.pool(x, (3, 3), (1, 4, 3, 4), MAX, StrideH=2, StrideW=2))


def filled_with_zero():
    draft, x = begun()
    x = filled(draft, x, ((0, 0), (1, 1), (1, 0), (0, 0)), 5)
    return ended(draft, draft.conv(x, (1, 7, 5), 4, padding=VALID))


def cropped_in_all():
    """Rows, columns and channels at once, of a map that is padded."""
    draft, x = begun()
    x = draft.pad(x, ((0, 0), (2, 0), (0, 1), (0, 0)))
    x = cropped(draft, x, (0, 1, 0, 1), (1, 7, 6, 2))
    return ended(draft, draft.conv(x, (1, 7, 6), 3))


def channels_first(draft, x):
    """A sequence with its channels first, as PyTorch's layers read it."""
    _, _, steps, channels = draft.tensors[x].shape
    x = draft.reshape(draft.transpose(x, (0, 3, 1, 2)), (1, channels, steps))
    return x, steps, channels


def channels_last(draft, x):
    _, channels, steps = draft.tensors[x].shape
    return draft.transpose(draft.reshape(x, (1, channels, 1, steps)), (0, 2, 3, 1))


def sequence_of_pytorch():
    """Causal convolutions, each of which puts channels last, and the last of all steps."""
    draft = Draft((1, 3, 12))
    x = 0
    for dilation in (1, 2):
        x = draft.pad(x, ((0, 0), (0, 0), (2 * dilation, 0)))
        x = channels_last(draft, x)
        x = draft.conv(x, (1, 1, 12), 4, (1, 3), padding=VALID, DilationWFactor=dilation)
        x, steps, channels = channels_first(draft, x)
    x = cropped(draft, x, (0, 0, steps - 1), (1, channels, 1))
    draft.dense(draft.reshape(x, (1, channels)), 3)
    return draft


def normalized_sequence():
    """Constants for channels, functions, and sums, of maps with their channels first."""
    draft = Draft((1, 1, 12, 3))
    a, b = (channels_first(draft, draft.conv(0, (1, 1, 12), 4, (1, 3)))[0] for _ in range(2))
    shape = draft.tensors[a].shape
    factors = draft.constant("factors", np.array([[[90], [-40], [7], [55]]], np.int8), (0.01,))
    a = draft.append("MUL", [a, factors], shape, "MulOptions", scale=0.05, zero=-9)
    a = draft.append("ADD", [a, factors], shape, "AddOptions", scale=0.06, zero=4)
    a = draft.append("TANH", [a], shape, scale=1 / 128, zero=0)
    x = draft.append("ADD", [a, b], shape, "AddOptions")
    x = draft.append("MUL", [x, draft.mean(x, (2,), (1, 4, 1), KeepDims=True)], shape, "MulOptions")
    draft.dense(draft.mean(x, (2,), (1, 4)), 3)
    return draft


def normalized_sample():
    """Constants for the channels of a sample that has these first."""
    draft = Draft((1, 3, 7, 6))
    offsets = draft.constant("offsets", np.array([9, -80, 33], np.int8).reshape(3, 1, 1), (0.01,))
    x = draft.append("SUB", [0, offsets], (1, 3, 7, 6), "SubOptions", scale=0.04, zero=11)
    x = draft.transpose(x, (0, 2, 3, 1))
    return ended(draft, draft.conv(x, (1, 7, 6), 4))


def shuffled_channels_first():
    draft, x = begun((1, 5, 4, 3), outputs=6)
    x = draft.reshape(draft.transpose(x, (0, 3, 1, 2)), (1, 2, 3, 5, 4))
    x = draft.reshape(draft.transpose(x, (0, 2, 1, 3, 4)), (1, 6, 5, 4))
    return ended(draft, draft.conv(draft.transpose(x, (0, 2, 3, 1)), (1, 5, 4), 4))


def padded_pool(zero=5):
    """Padding counts where a map has negative numbers."""
    draft, x = begun(zero=zero)
    x = draft.pad(x, ((0, 0), (1, 1), (1, 0), (0, 0)))
    return ended(draft, draft.pool(x, (3, 3), (1, 4, 3, 4), MAX, StrideH=2, StrideW=2))


def padded_by_more_than_the_pool():
    draft, x = begun(zero=-128)
    x = draft.pad(x, ((0, 0), (3, 0), (0, 2), (0, 0)))
    return ended(draft, draft.pool(x, (3, 2), (1, 8, 7, 4), MAX))


def padded_sum():
    draft, x = begun()
    narrow = draft.conv(0, (1, 5, 5), 4, (3, 2), padding=VALID)
    narrow = draft.pad(narrow, ((0, 0), (2, 0), (0, 1), (0, 0)))
    return ended(draft, draft.add(x, narrow))


def padded_by_more_than_the_window():
    draft, x = begun()
    x = draft.pad(x, ((0, 0), (3, 0), (0, 4), (0, 0)))
    return ended(draft, draft.conv(x, (1, 8, 8), 5, (3, 3), padding=VALID))


def cropped_and_padded():
    """Padding that is cropped again is none; what is cropped does not come back."""
    draft, x = begun()
    x = draft.pad(x, ((0, 0), (2, 1), (0, 1), (0, 0)))
    x = cropped(draft, x, (0, 1, 0, 0), (1, 9, 6, 4))
    x = draft.conv(x, (1, 7, 4), 4, (3, 3), padding=VALID)
    x = strided(draft, x, (0, 1, 0, 0), (0, -2, 3, 0), (1, 4, 3, 4), BeginMask=9, EndMask=9)
    x = draft.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)))
    return ended(draft, draft.conv(x, (1, 5, 2), 3, (3, 3), padding=VALID))


def shifted():
    """A row and a column on one side in place of those on the other."""
    draft, x = begun((1, 6, 6, 3))
    x = draft.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    x = cropped(draft, x, (0, 1, 1, 0), (1, 6, 6, 4))
    return ended(draft, draft.pool(x, (1, 1), (1, 3, 3, 4), StrideH=2, StrideW=2))


def last_step():
    """The last of a sequence's steps."""
    draft = Draft((1, 1, 9, 3))
    x = draft.reshape(draft.conv(0, (1, 1, 9), 5, (1, 3)), (1, 9, 5))
    x = strided(draft, x, (0, -1, 0), (0, 0, 0), (1, 5), BeginMask=5, EndMask=5, ShrinkAxisMask=2)
    draft.dense(draft.dense(x, 6), 3)
    return draft


def one_column():
    """What is left of height, width and channels is height and channels."""
    draft, x = begun()
    masks = {"BeginMask": 11, "EndMask": 11, "ShrinkAxisMask": 4}
    x = strided(draft, x, (0, 0, 2, 0), (0, 0, 3, 0), (1, 7, 4), **masks)
    return ended_with_mean(draft, x)


def ended_with_mean(draft, x):
    draft.dense(draft.mean(x, (1,), (1, draft.tensors[x].shape[-1])), 3)
    return draft


def causal_sequence():
    """Padding of a sequence, which becomes a map with a height of 1 behind it."""
    draft = Draft((1, 12, 3))
    x = draft.pad(0, ((0, 0), (4, 0), (0, 0)))
    x = draft.conv(draft.reshape(x, (1, 1, 16, 3)), (1, 1, 12), 4, (1, 5), padding=VALID)
    return ended(draft, x)


def taken_apart(
    blocks, *, before=None, pads=None, crops=None, ways=1, is_depthwise=False, **options
):
    """Convolutions between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, on a map or a sequence.

    Args:
        blocks: one for a sequence, two for a map.
        before: padding by a layer in front of them.
        pads: of the first of them, with zero points; TensorFlow Lite Micro leaves them undefined.
        crops: of the last.
        ways: between the two.
        is_depthwise: whether convolutions are.
        options: of the convolutions.
    """
    rank = len(blocks)
    nothing = [(0, 0)] * rank
    draft = Draft((1, *(8, 12)[-rank:], 4))
    x = draft.pad(0, ((0, 0), *before, (0, 0))) if before else 0
    padded = [
        n + sum(pad) for n, pad in zip(draft.tensors[x].shape[1:], pads or nothing, strict=False)
    ]
    shape = [n // block for n, block in zip(padded, blocks, strict=True)]
    apart, count = draft.constant("blocks", np.array(blocks, np.int32)), int(np.prod(blocks))
    given = [apart, draft.constant("pads", np.array(pads or nothing, np.int32))]
    x = draft.like("SPACE_TO_BATCH_ND", x, (count, *shape, 4), *given)
    taps = (*(1,) * (2 - rank), *(3,) * rank)
    if rank == 1:
        x = draft.reshape(x, (count, 1, *shape, 4))
    made = [n - tap + 1 for n, tap in zip(draft.tensors[x].shape[1:3], taps, strict=True)]
    layer, ends = draft.depthwise if is_depthwise else draft.conv, []
    for _ in range(ways):
        y = layer(x, (count, *made), 4, taps, **{"padding": VALID} | options)
        y = draft.reshape(y, (count, made[1], 4)) if rank == 1 else y
        whole = [
            n * block - sum(crop)
            for n, block, crop in zip(made[-rank:], blocks, crops or nothing, strict=True)
        ]
        given = [apart, draft.constant("crops", np.array(crops or nothing, np.int32))]
        ends.append(draft.like("BATCH_TO_SPACE_ND", y, (1, *whole, 4), *given))
    x = ends[0] if ways == 1 else draft.add(*ends)
    return ended(draft, x) if rank > 1 else ended_with_mean(draft, x)


def clamped(by, zero=5, operator="conv"):
    """A layer that clamps to less than all of int8."""
    draft, x = begun()
    options = {"FusedActivationFunction": by, "zero": zero}
    if operator == "add":
        return ended(draft, draft.add(x, draft.conv(0, (1, 7, 6), 4), **options))
    if operator == "dense":
        draft.dense(draft.dense(x, 6, **options), 3)
        return draft
    return ended(draft, draft.conv(x, (1, 7, 6), 4, **options))


def activated(operator, scale, zero):
    """Likewise where the clamp is a layer."""
    draft, x = begun()
    if operator == "RELU6":
        return ended(draft, draft.like(operator, x, draft.tensors[x].shape))
    return ended(draft, draft.append(operator, [x], draft.tensors[x].shape, scale=scale, zero=zero))


def bound(draft, x, data):
    (scale,), zeros = draft.tensors[x].scales, draft.tensors[x].zeros
    return draft.tensor("bound", data.shape, "int8", (scale,), zeros, data=data)


def bounded(operator, shape=(), value=40, *, is_first=False):
    draft, x = begun()
    given = [x, bound(draft, x, np.full(shape, value, np.int8))]
    return ended(
        draft,
        draft.append(
            operator,
            given[::-1] if is_first else given,
            draft.tensors[x].shape,
            "MaximumMinimumOptions",
        ),
    )


def leaky_by_maximum(share=9):
    draft, x = begun()
    shape = draft.tensors[x].shape
    factor = draft.tensor("share", (), "int8", (0.01,), (0,), data=np.array(share, np.int8))
    sloped = draft.like("MUL", x, shape, factor, table="MulOptions")
    return ended(draft, draft.append("MAXIMUM", [sloped, x], shape, "MaximumMinimumOptions"))


def function_in_float32(operator="LEAKY_RELU", table="LeakyReluOptions", **options):
    """Between a DEQUANTIZE and a QUANTIZE, as the AI Edge Quantizer leaves it."""
    draft, x = begun()
    shape = draft.tensors[x].shape
    for name, kind, more in (("DEQUANTIZE", None, {}), (operator, table, options)):
        x = draft.append(name, [x], shape, kind, **more)
        draft.tensors[x] = replace(draft.tensors[x], dtype="float32", scales=(), zeros=())
    return ended(draft, draft.append("QUANTIZE", [x], shape, scale=0.05, zero=-90))


def channels_first_samples(shape=(1, 3, 7, 6), order=(0, 2, 3, 1)):
    draft = Draft(shape)
    x = draft.transpose(0, order)
    if len(shape) < 4:
        x = draft.reshape(x, (1, *draft.tensors[x].shape))
    return ended(draft, draft.conv(x, draft.tensors[x].shape[:3], 4))


def resized(operator="RESIZE_BILINEAR"):
    draft = Draft((1, 12, 10, 3))
    size = numbers(draft, 6, 5)
    table = {
        "RESIZE_BILINEAR": "ResizeBilinear",
        "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighbor",
    }
    x = draft.like(operator, 0, (1, 6, 5, 3), size, table=f"{table[operator]}Options")
    return ended(draft, draft.conv(x, (1, 6, 5), 4))


DRAFTS = {
    "padded pool": padded_pool,
    "padded pool of another zero point": lambda: padded_pool(-128),
    "padded by more than the pool": padded_by_more_than_the_pool,
    "padded sum": padded_sum,
    "padded by more than the window": padded_by_more_than_the_window,
    "cropped and padded": cropped_and_padded,
    "shifted": shifted,
    "cropped in all dimensions": cropped_in_all,
    "filled pool": filled_pool,
    "filled pool of what is not negative": lambda: filled_pool(-128),
    "filled with zero": filled_with_zero,
    "sequence of PyTorch": sequence_of_pytorch,
    "normalized sequence": normalized_sequence,
    "normalized sample": normalized_sample,
    "shuffled, channels first": shuffled_channels_first,
    "last step": last_step,
    "one column": one_column,
    "causal sequence": causal_sequence,
    "dilated sequence": lambda: taken_apart((2,)),
    "dilated and padded sequence": lambda: taken_apart((4,), before=[(8, 0)]),
    "dilated, padded and cropped": lambda: taken_apart(
        (5,), before=[(10, 0)], pads=[(0, 3)], crops=[(0, 3)]
    ),
    "dilated two ways": lambda: taken_apart((3,), before=[(6, 0)], ways=2),
    "dilated map": lambda: taken_apart((2, 3), before=[(2, 2), (3, 3)], crops=[(0, 1), (1, 0)]),
    "dilated depthwise map": lambda: taken_apart(
        (2, 2), before=[(2, 2), (2, 2)], is_depthwise=True
    ),
    "relu": lambda: clamped(RELU),
    "relu that leaves a half": lambda: clamped(RELU, -1),
    "relu6": lambda: clamped(RELU6),
    "relu6 that is no clamp below": lambda: clamped(RELU6, -128),
    "clamp to 1 on both sides": lambda: clamped(RELU_N1_TO_1),
    "relu of a sum": lambda: clamped(RELU, operator="add"),
    "relu of a dense layer": lambda: clamped(RELU, operator="dense"),
    "relu as a layer": lambda: activated("RELU", 0.05, -100),
    "relu6 as a layer": lambda: activated("RELU6", 0.07, 5),
    "minimum": lambda: bounded("MINIMUM"),
    "maximum": lambda: bounded("MAXIMUM", (1,), -20, is_first=True),
    "leaky by maximum": leaky_by_maximum,
    "channels first": channels_first_samples,
    "sequence with channels first": lambda: channels_first_samples((1, 3, 8), (0, 2, 1)),
    "grey with channels first": lambda: channels_first_samples((1, 1, 7, 6)),
    "resized": resized,
    "resized to the nearest": lambda: resized("RESIZE_NEAREST_NEIGHBOR"),
}
