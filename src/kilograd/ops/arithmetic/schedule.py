"""The learning rate of one step of a run, in integers (docs/numerics.md, section 8)."""

from __future__ import annotations

#: One in so many steps of a run is warm-up: 5 %.
_WARM_UP_SHARE = 20

#: sin(πz/2) / z = c0 − z²(c1 − z²(c2 − z² c3)) in Q30 for z ≤ 1/2; minimax, of relative error
#: 4·10⁻⁹, c0 lowered by 8 so that sin²(π/4) does not pass 1/2.
_SINE = (1686629700, 693597984, 85555784, 4940993)


def scheduled_rate(mantissa: int, exponent: int, steps: int, step: int) -> tuple[int, int]:
    """The rate ``mantissa · 2^exponent`` at one step of its schedule.

    A linear rise over the first twentieth, at least one step, then half a cosine down to zero at
    ``steps``. Relative to the exact rate the result is at most 6.2·10⁻⁵ too small, and never too
    large by more than 10⁻⁶.

    Args:
        mantissa: 0 to 32767.
        exponent: of the highest rate.
        steps: of the run, a uint32; 0 for a rate that stays as it is.
        step: number of training steps done, a uint32.

    Returns:
        Mantissa, 0 to 32767, and exponent.
    """
    if steps == 0:
        return mantissa, exponent
    if mantissa == 0 or step >= steps:
        return 0, 0
    warm_up = max(1, steps // _WARM_UP_SHARE)
    if step < warm_up:
        quotient, shift = _ratio(step + 1, warm_up)
        return _normalized(mantissa * quotient, exponent - 24 - shift)
    fallen, left = step - warm_up, steps - step
    if fallen == 0:
        return mantissa, exponent
    # cos²(πx/2) is taken from the sine of what is nearer: small rates keep all their bits.
    if left <= fallen:
        square, shift = _sine_squared(left, fallen + left)
        return _normalized(mantissa * square, exponent - 27 - 2 * shift)
    square, shift = _sine_squared(fallen, fallen + left)
    cosine_squared = (1 << 30) - ((square << 3) >> 2 * shift)
    return _normalized(mantissa * cosine_squared, exponent - 30)


def _ratio(part: int, whole: int) -> tuple[int, int]:
    """(q, k): part / whole = q · 2^(−24 − k), rounded down, 2^23 < q < 2^25, 0 < part ≤ whole."""
    left_part, left_whole = 32 - part.bit_length(), 32 - whole.bit_length()
    quotient = ((part << left_part) << 24) // (whole << left_whole)
    return quotient, left_part - left_whole


def _sine_squared(part: int, whole: int) -> tuple[int, int]:
    """(s, k): sin²(π/2 · part / whole) = s · 2^(−27 − 2k), 2^24 ≤ s < 2^31, 2 part ≤ whole."""
    quotient, shift = _ratio(part, whole)
    z = (quotient << 6) >> shift
    u = (z * z) >> 30
    slope = _SINE[3]
    for coefficient in reversed(_SINE[:3]):
        slope = coefficient - ((u * slope) >> 30)
    sine = (quotient * slope) >> 25
    return (sine * sine) >> 31, shift


def _normalized(value: int, exponent: int) -> tuple[int, int]:
    """The highest 15 bits of a positive value."""
    excess = max(value.bit_length() - 15, 0)
    return value >> excess, exponent + excess
