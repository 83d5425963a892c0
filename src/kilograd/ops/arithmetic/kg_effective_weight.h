/* A trained weight: its base moved by a delta of fractions of its unit. */
#ifndef KG_EFFECTIVE_WEIGHT_H
#define KG_EFFECTIVE_WEIGHT_H

#include "kg_arithmetic.h"

/* base + delta / 2^fraction_bits, halves up, saturated at +-127. */
static inline int8_t kg_effective_weight(int8_t base, int8_t delta, int32_t fraction_bits)
{
    const int32_t half = (INT32_C(1) << fraction_bits) >> 1;
    return (int8_t)kg_clamp(base + ((delta + half) >> fraction_bits), -127, 127);
}

#endif
