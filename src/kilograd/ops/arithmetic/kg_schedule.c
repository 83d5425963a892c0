#include "kg_schedule.h"

/* Shifts the highest bit to the top; Cortex-M0+ has no CLZ, and a step needs this but once. */
static int32_t normalize(uint32_t *word)
{
    int32_t shift = 0;
    for (; !(*word >> 31); shift++)
        *word <<= 1;
    return shift;
}

/* s of sin^2(pi / 2 * q * 2^(-24 - k)) = s * 2^(-27 - 2 k), at most 1 / 2. */
static uint32_t sine_squared(uint32_t q, int32_t k)
{
    const uint32_t z = (q << 6) >> k;
    const uint64_t v = ((uint64_t)z * z) >> 30;
    uint32_t slope = 85555784 - (uint32_t)((v * 4940993) >> 30);
    slope = 693597984 - (uint32_t)((v * slope) >> 30);
    slope = 1686629700 - (uint32_t)((v * slope) >> 30);
    const uint64_t sine = ((uint64_t)q * slope) >> 25;
    return (uint32_t)((sine * sine) >> 31);
}

KG_SMALL
void kg_set_rate(kg_control *control, int32_t mantissa, int32_t exponent, uint32_t steps)
{
    control->rate_mantissa = mantissa;
    control->rate_exponent = exponent;
    if (steps == 0)
        return;
    if (mantissa == 0 || control->step >= steps) {
        control->rate_mantissa = control->rate_exponent = 0;
        return;
    }
    const uint32_t warm_up = steps < 40 ? 1 : steps / 20;
    const int32_t rises = control->step < warm_up;
    const uint32_t done = rises ? control->step + 1 : control->step - warm_up;
    const uint32_t left = steps - control->step;
    uint32_t whole = rises ? warm_up : done + left;
    if (done == 0)
        return;
    uint32_t part = rises || done < left ? done : left;
    const int32_t shift = normalize(&part) - normalize(&whole);
    uint32_t factor = kg_share(part, whole, 24);
    if (rises) {
        exponent -= 24 + shift;
    } else {
        factor = sine_squared(factor, shift);
        if (done < left) {
            factor = (UINT32_C(1) << 30) - (uint32_t)(((uint64_t)factor << 3) >> 2 * shift);
            exponent -= 30;
        } else {
            exponent -= 27 + 2 * shift;
        }
    }
    uint64_t product = (uint64_t)factor * (uint32_t)mantissa;
    for (; product >> 15 != 0; exponent++)
        product >>= 1;
    control->rate_mantissa = (int32_t)product;
    control->rate_exponent = exponent;
}
