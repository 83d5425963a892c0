"""Operators that take a part of a tensor, or take it apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kilograd.frontend.network import Layer, Option
from kilograd.frontend.tflite.reads import DamagedError, Reads, numbers


def apart(layer: Layer) -> list[Layer]:
    """A layer, or what makes each result of one that has several."""
    sizes, axis, rank = (layer.options.get(name) for name in ("sizes", "axis", "rank"))
    if not isinstance(sizes, tuple) or not isinstance(axis, int) or not isinstance(rank, int):
        return [layer]
    results: list[Layer] = []
    first = 0
    for output, size in zip(layer.outputs, sizes, strict=True):
        if axis == rank - 1 and not layer.options.get("drops"):
            part = replace(layer, operator="channel_slice", options={"first": first, "count": size})
        else:
            crops = [0] * (2 * rank)
            crops[2 * axis : 2 * axis + 2] = first, sum(sizes) - first - size
            dropped = (axis,) if layer.options.get("drops") else ()
            options: Mapping[str, Option] = {"crops": tuple(crops), "dropped": dropped}
            part = replace(layer, operator="crop", options=options)
        results.append(replace(part, outputs=(output,)))
        first += size
    return results


def part(reads: Reads) -> Mapping[str, Option]:
    """SLICE: from where, and how many; -1 for all that are left."""
    shape = reads.tensor(0).shape
    begin, size = numbers(reads, 1), numbers(reads, 2)
    if begin is None or size is None:
        return {}
    if not len(begin) == len(size) == len(shape):
        msg = f"it takes {list(size)} from {list(begin)} on, of the shape {list(shape)}"
        raise DamagedError(msg)
    ends = [
        extent if count == -1 else first + count
        for first, count, extent in zip(begin, size, shape, strict=True)
    ]
    return _cropped(shape, begin, ends)


def strided_part(reads: Reads) -> Mapping[str, Option]:
    """STRIDED_SLICE: from where, up to where, and every how many."""
    options, shape = reads.needed_options(), reads.tensor(0).shape
    begin, end, strides = (numbers(reads, place) for place in (1, 2, 3))
    others = (options.EllipsisMask(), options.NewAxisMask())
    if begin is None or end is None or strides is None or any(others):
        return {}
    if not len(begin) == len(end) == len(strides) <= len(shape):
        msg = f"it takes {list(begin)} to {list(end)} of the shape {list(shape)}"
        raise DamagedError(msg)
    if min(strides, default=1) < 1:
        return {}
    whole = slice(None).indices
    found = [whole(extent)[:2] for extent in shape]
    steps = [*strides, *(1,) * (len(shape) - len(strides))]
    dropped = [axis for axis in range(len(begin)) if options.ShrinkAxisMask() >> axis & 1]
    for axis, (first, last) in enumerate(zip(begin, end, strict=True)):
        start = None if options.BeginMask() >> axis & 1 else first
        stop = None if options.EndMask() >> axis & 1 else last
        if axis in dropped:  # one number, whatever the end is
            start, stop, steps[axis] = first, first + 1 or None, 1
        taken = range(*slice(start, stop, steps[axis]).indices(shape[axis]))
        found[axis] = (taken[0], taken[-1] + 1) if taken else (0, 0)
    begins, ends = ([part[end] for part in found] for end in (0, 1))
    made = _cropped(shape, begins, ends, tuple(dropped))
    return made if set(steps) == {1} else {**made, "steps": tuple(steps)}


def _cropped(
    shape: Sequence[int], begin: Sequence[int], end: Sequence[int], dropped: tuple[int, ...] = ()
) -> Mapping[str, Option]:
    """What is cropped of each dimension, at both ends, and which of them are dropped."""
    crops = [(first, extent - last) for first, last, extent in zip(begin, end, shape, strict=True)]
    if min(map(min, crops), default=0) < 0:
        msg = f"it takes {list(begin)} up to {list(end)} of the shape {list(shape)}"
        raise DamagedError(msg)
    return {"crops": tuple(count for pair in crops for count in pair), "dropped": dropped}


def split(reads: Reads) -> Mapping[str, Option]:
    """SPLIT: into as many parts as there are results; the axis comes first."""
    return _parts(numbers(reads, 0), reads.tensor(1).shape, reads)


def split_in_sizes(reads: Reads) -> Mapping[str, Option]:
    """SPLIT_V: into parts of any sizes."""
    return _parts(numbers(reads, 2), reads.tensor(0).shape, reads)


def _parts(
    axes: tuple[int, ...] | None, shape: tuple[int, ...], reads: Reads
) -> Mapping[str, Option]:
    """How much of an axis each result has; nothing where that is not known."""
    rank = len(shape)
    results = [tensor.shape for tensor in reads.outputs]
    if axes is None or len(axes) != 1 or any(len(result) != rank for result in results):
        return {}
    (axis,) = axes
    if not -rank <= axis < rank:
        msg = f"it splits dimension {axis} of {rank}"
        raise DamagedError(msg)
    axis %= rank
    sizes = tuple(result[axis] for result in results)
    if sum(sizes) != shape[axis] or min(sizes, default=0) < 1:
        msg = f"it splits {shape[axis]} into {list(sizes)}"
        raise DamagedError(msg)
    return {"axis": axis, "sizes": sizes, "rank": rank}


def unpack(reads: Reads) -> Mapping[str, Option]:
    """UNPACK: into each place along an axis, which is dropped."""
    options, shape = reads.needed_options(), reads.tensor(0).shape
    axis, count, rank = int(options.Axis()), int(options.Num()), len(shape)
    if not -rank <= axis < rank or {shape[axis], count} != {len(reads.outputs)}:
        msg = f"it makes {len(reads.outputs)} of {count} places along dimension {axis} of {rank}"
        raise DamagedError(msg)
    return {"axis": axis % rank, "sizes": (1,) * count, "rank": rank, "drops": True}
