/* A trained weight: its base moved by a delta of fractions of its unit. */
#ifndef KG_EFFECTIVE_H
#define KG_EFFECTIVE_H

#include "kg_arithmetic.h"
#include "kg_dsp.h"
#include "kg_lanes.h"

#if KG_HAS_DSP
/* floor((a + b) / 2) of each byte. */
static inline uint32_t kg_halved_sum(uint32_t a, uint32_t b)
{
    uint32_t half;
    __asm__("shadd8 %0, %1, %2" : "=r"(half) : "r"(a), "r"(b));
    return half;
}

/* Sum of each byte, saturated to +-127. */
static inline uint32_t kg_saturated_sum(uint32_t a, uint32_t b)
{
    uint32_t sum;
    __asm__("qadd8 %0, %1, %2\n"
            "qsub8 %0, %0, %3\n"
            "qadd8 %0, %0, %3\n"
            : "=&r"(sum)
            : "r"(a), "r"(b), "r"(0x01010101u));
    return sum;
}
#endif

static inline int8_t kg_effective_weight(int8_t base, int8_t delta, int32_t fraction_bits)
{
    const int32_t half = (INT32_C(1) << fraction_bits) >> 1;
    return (int8_t)kg_clamp(base + ((delta + half) >> fraction_bits), -127, 127);
}

/* weight = base + delta / 2^fraction_bits, halves up, saturated at +-127. */
static inline void kg_effective_weights(const int8_t *base, const int8_t *delta, int32_t count,
                                   int32_t fraction_bits, int8_t *weight)
{
    int32_t i = 0;
#if KG_HAS_DSP
    const uint32_t halves = ((UINT32_C(1) << fraction_bits) >> 1) * 0x01010101u;
    for (; i + 4 <= count; i += 4) {
        uint32_t moved = kg_halved_sum(kg_load32(delta + i), halves);
        for (int32_t bit = 1; bit < fraction_bits; bit++)
            moved = kg_halved_sum(moved, 0);
        kg_store32(weight + i, kg_saturated_sum(kg_load32(base + i), moved));
    }
#endif
#if KG_HAS_LANES
    const int32_t half = (INT32_C(1) << fraction_bits) >> 1;
    for (; i + KG_LANES <= count; i += KG_LANES) {
        const kg_lanes moved = (kg_load_lanes(delta + i, KG_LANES) + half) >> fraction_bits;
        const kg_lanes sum = kg_load_lanes(base + i, KG_LANES) + moved;
        kg_store_lanes(kg_clamp_lanes(sum, -127, 127), weight + i, KG_LANES);
    }
#endif
    for (; i < count; i++)
        weight[i] = kg_effective_weight(base[i], delta[i], fraction_bits);
}

#endif
