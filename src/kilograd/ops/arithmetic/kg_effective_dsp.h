/* kg_effective_weight of many weights, four at a time. */
#ifndef KG_EFFECTIVE_DSP_H
#define KG_EFFECTIVE_DSP_H

#include "kg_effective_weight.h"
#include "kg_machine_dsp.h"

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

static inline void kg_effective_weights(const int8_t *base, const int8_t *delta, int32_t count,
                                        int32_t fraction_bits, int8_t *weight)
{
    const uint32_t halves = ((UINT32_C(1) << fraction_bits) >> 1) * 0x01010101u;
    int32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        uint32_t moved = kg_halved_sum(kg_load32(delta + i), halves);
        for (int32_t bit = 1; bit < fraction_bits; bit++)
            moved = kg_halved_sum(moved, 0);
        kg_store32(weight + i, kg_saturated_sum(kg_load32(base + i), moved));
    }
    for (; i < count; i++)
        weight[i] = kg_effective_weight(base[i], delta[i], fraction_bits);
}

#endif
