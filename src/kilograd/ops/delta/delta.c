#include "delta.h"

#include "kg_dsp.h"

#if KG_HAS_DSP
/* floor((a + b) / 2) of each byte. */
static inline uint32_t halved_sum(uint32_t a, uint32_t b)
{
    uint32_t half;
    __asm__("shadd8 %0, %1, %2" : "=r"(half) : "r"(a), "r"(b));
    return half;
}

/* Sum of each byte, saturated to +-127. */
static inline uint32_t saturated_sum(uint32_t a, uint32_t b)
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

void kg_apply_delta(const kg_apply_delta_parameters *p, const int8_t *base, const int8_t *delta,
                    int8_t *weight)
{
    const int32_t half = (INT32_C(1) << p->fraction_bits) >> 1;
    int32_t i = 0;
#if KG_HAS_DSP
    const uint32_t halves = (uint32_t)half * 0x01010101u;
    for (; i + 4 <= p->count; i += 4) {
        uint32_t moved = halved_sum(kg_load32(delta + i), halves);
        for (int32_t bit = 1; bit < p->fraction_bits; bit++)
            moved = halved_sum(moved, 0);
        kg_store32(weight + i, saturated_sum(kg_load32(base + i), moved));
    }
#endif
    for (; i < p->count; i++)
        weight[i] =
            (int8_t)kg_clamp(base[i] + ((delta[i] + half) >> p->fraction_bits), -127, 127);
}

void kg_apply_wide_delta(const kg_apply_wide_delta_parameters *p, const int8_t *base,
                         const int16_t *delta, int8_t *weight)
{
    const int32_t half = (INT32_C(1) << p->fraction_bits) >> 1;
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t moved = (delta[i] + half) >> p->fraction_bits;
        weight[i] = (int8_t)kg_clamp(base == NULL ? moved : base[i] + moved, -127, 127);
    }
}
