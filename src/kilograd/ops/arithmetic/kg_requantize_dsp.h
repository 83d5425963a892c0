/* Requantization by multiplication, shift to the right and saturation, in six instructions: for
   shifts from -22 to -1, so that the offset does not overflow. */
#ifndef KG_REQUANTIZE_DSP_H
#define KG_REQUANTIZE_DSP_H

#include "kg_arithmetic.h"

/* What one channel needs. */
typedef struct {
    int32_t multiplier; /* twice the channel's, less 2^32 */
    int32_t shift;      /* to the right, one less: SSAT shifts by the last bit */
    int32_t offset;     /* zero point and half of the last bit before the shift */
} kg_requantizer;

/* The multiplier is at least 2^30, as every normalized one; odd is 2 * zero point + 1. */
static inline kg_requantizer kg_prepare_requantizer(int32_t multiplier, int32_t shift, int32_t odd)
{
    kg_requantizer q;
    q.multiplier = (int32_t)((uint32_t)multiplier << 1);
    q.shift = ~shift;
    q.offset = (int32_t)((uint32_t)odd << q.shift);
    return q;
}

static inline int8_t kg_requantize_usual(int32_t accumulator, kg_requantizer q)
{
    int32_t high, result;
    __asm__("smmlar %0, %1, %2, %1" : "=r"(high) : "r"(accumulator), "r"(q.multiplier));
    high = (high + (high >> 31) + q.offset) >> q.shift;
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(result) : "r"(high));
    return (int8_t)result;
}

#define KG_REQUANTIZE(sum, at)                                                                     \
    "ldmia %[q]!, {r4, r5, r6}\n"                                                                  \
    "smmlar %[high], %[" sum "], r4, %[" sum "]\n"                                                 \
    "add r6, r6, %[high]\n"                                                                        \
    "add r6, r6, %[high], asr #31\n"                                                               \
    "asr r6, r6, r5\n"                                                                             \
    "ssat r6, #8, r6, asr #1\n"                                                                    \
    "strb r6, [%[y], #" at "]\n"

/* y[c] = kg_requantize_usual(sums[c], q[c]) for four channels: the compilers would load every
   number of q on its own. */
static inline void kg_requantize_four(const int32_t sums[4], const kg_requantizer q[4], int8_t *y)
{
    int32_t high;
    __asm__ volatile(
        KG_REQUANTIZE("s0", "0") KG_REQUANTIZE("s1", "1") KG_REQUANTIZE("s2", "2")
            KG_REQUANTIZE("s3", "3")
        : [q] "+&r"(q), [high] "=&r"(high)
        : [s0] "r"(sums[0]), [s1] "r"(sums[1]), [s2] "r"(sums[2]), [s3] "r"(sums[3]), [y] "r"(y)
        : "r4", "r5", "r6", "memory");
}
#endif
