"""In which range a function reads what no file quantizes: that in which its result changes.

Quantizers leave the result of a layer in float32 when a function of it follows, which is quantized.
Beyond some numbers the quantized result of the function stays as it is, so that nothing is lost if
the layer's result ends there.
"""

from __future__ import annotations

import numpy as np

from kilograd.ops.lookup.functions import Function

#: Points at which a function is looked at, on each side of zero.
_POINTS = 4096

#: Within which the functions that saturate do so, in real numbers.
_SATURATED = 16.0

_LOWEST, _STEPS = -128, 255


def range_before(known: Function, scale: float, zero: int) -> tuple[float, int]:
    """Scale and zero point, in int8, of what a function reads.

    Args:
        known: the function.
        scale: of the function's result.
        zero: likewise.
    """
    if known.name == "linear" and known.parameters[0] > 0 and not known.parameters[1]:
        return scale / known.parameters[0], zero
    low, high = scale * (_LOWEST - zero), scale * (_LOWEST + _STEPS - zero)
    most = _SATURATED + 2 * max(abs(low), abs(high))
    at = np.linspace(-most, most, 2 * _POINTS + 1)
    with np.errstate(all="ignore"):
        made = np.clip(np.rint(known.value(at) / scale) + zero, _LOWEST, _LOWEST + _STEPS)
    first, last = (np.flatnonzero(made != made[end]) for end in (0, -1))
    if not first.size:
        return most / _STEPS, 0
    begin, end = at[max(first[0] - 1, 0)], at[min(last[-1] + 1, at.size - 1)]
    made_scale = float(end - begin) / _STEPS
    return made_scale, int(np.clip(np.rint(_LOWEST - begin / made_scale), -128, 127))
