/* Stochastic rounding of products by one shift, with the results of kg_stochastic_round. */
#ifndef KG_ROUND_DSP_H
#define KG_ROUND_DSP_H

#include "kg_arithmetic.h"

/* A rounding as kg_round_product does it, of values that are first shifted to the left. */
typedef struct {
    int32_t left, factor, right;
} kg_rounding;

/* Rounds value * mantissa / 2^shift, for a mantissa below 2^15, 0 <= shift <= 62 and values that
   stay below 2^31 when shifted: none is from 16 bits on. */
static inline kg_rounding kg_prepare_rounding(int32_t mantissa, int32_t shift)
{
    kg_rounding r;
    r.left = shift < 16 ? 16 - shift : 0;
    r.factor = shift < 32 ? mantissa * (INT32_C(1) << (32 - shift - r.left)) : mantissa;
    r.right = shift < 32 ? 0 : shift - 32;
    return r;
}

/* What kg_gradient_element makes of a rounded value. */
static inline int8_t kg_saturate_gradient(int32_t rounded, uint32_t *magnitude)
{
    const int32_t sign = rounded >> 31;
    int32_t size = (rounded ^ sign) - sign;
    __asm__("usat %0, #15, %1" : "=r"(size) : "r"(size));
    *magnitude |= (uint32_t)size;
    __asm__("usat %0, #7, %1" : "=r"(size) : "r"(size));
    return (int8_t)((size ^ sign) - sign);
}

#define KG_ROUND_PRODUCT                                                                           \
    "eor %[high], %[counter], %[counter], lsr #16\n"                                               \
    "ldrd %[value], %[factor], [%[at]]\n"                                                          \
    "mul %[high], %[high], %[first]\n"                                                             \
    "add %[counter], %[counter], %[step]\n"                                                        \
    "eor %[high], %[high], %[high], lsr #15\n"                                                     \
    "mul %[high], %[high], %[second]\n"                                                            \
    "eor %[high], %[high], %[high], lsr #16\n"                                                     \
    "umull %[low], %[high], %[high], %[power]\n"                                                   \
    "smlal %[low], %[high], %[value], %[factor]\n"                                                 \
    "asr %[high], %[high], %[right]\n"                                                             \
    "eor %[value], %[high], %[high], asr #31\n"                                                    \
    "sub %[value], %[value], %[high], asr #31\n"                                                   \
    "usat %[value], #15, %[value]\n"                                                               \
    "orr %[seen], %[seen], %[value]\n"                                                             \
    "usat %[value], #7, %[value]\n"                                                                \
    "eor %[value], %[value], %[high], asr #31\n"                                                   \
    "sub %[value], %[value], %[high], asr #31\n"                                                   \
    "str %[value], [%[at]], #8\n"

/* Replaces the first of each of four pairs (value, factor) by
   kg_saturate_gradient(kg_round_product(value, factor, right, kg_mix(counter)), magnitude),
   with counters `step` apart: the compilers would make every constant anew. */
static inline void kg_round_four(int32_t pairs[8], int32_t right, uint32_t counter, uint32_t step,
                                 uint32_t *magnitude)
{
    int32_t value, factor;
    uint32_t low, high, seen = *magnitude;
    __asm__ volatile(
        KG_ROUND_PRODUCT KG_ROUND_PRODUCT KG_ROUND_PRODUCT KG_ROUND_PRODUCT
        : [at] "+&r"(pairs), [counter] "+&r"(counter), [seen] "+&r"(seen), [value] "=&r"(value),
          [factor] "=&r"(factor), [low] "=&r"(low), [high] "=&r"(high)
        : [first] "r"(KG_MIX_FIRST), [second] "r"(KG_MIX_SECOND), [step] "r"(step),
          [power] "r"(UINT32_C(1) << right), [right] "r"(right)
        : "memory");
    *magnitude = seen;
}
#endif
