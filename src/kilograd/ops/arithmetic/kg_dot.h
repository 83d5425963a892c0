/* Dot products of int16 activations (zero point taken off) with int8 weights.
   kg_expand writes activations in the order that kg_dot_* read them. */
#ifndef KG_DOT_H
#define KG_DOT_H

#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define KG_HAS_DSP 1
#include <arm_acle.h>

static inline uint32_t kg_load32(const void *from)
{
    uint32_t word;
    memcpy(&word, from, 4);
    return word;
}

static inline void kg_store32(void *to, uint32_t word)
{
    memcpy(to, &word, 4);
}

/* Bytes 0 and 2 of a word, sign-extended to halfwords. */
static inline uint32_t kg_even_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

/* Bytes 1 and 3 of a word, sign-extended to halfwords. */
static inline uint32_t kg_odd_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

static inline uint32_t kg_subtract_pair(uint32_t pair, uint32_t other)
{
    uint32_t difference;
    __asm__("ssub16 %0, %1, %2" : "=r"(difference) : "r"(pair), "r"(other));
    return difference;
}

static inline int32_t kg_dual_multiply(uint32_t pair, uint32_t other, int32_t sum)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(pair), "r"(other));
    return sum;
}

static inline uint32_t kg_pack_bottom(uint32_t low, uint32_t high)
{
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(low), "r"(high));
    return pair;
}

static inline uint32_t kg_pack_top(uint32_t low, uint32_t high)
{
    uint32_t pair;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(high), "r"(low));
    return pair;
}
#else
#define KG_HAS_DSP 0
#endif

/* to[i] = x[i] - zero_point, in groups of four ordered 0, 2, 1, 3 where SMLAD is used. */
static inline void kg_expand(const int8_t *x, int32_t count, int32_t zero_point, int16_t *to)
{
    int32_t i = 0;
#if KG_HAS_DSP
    const uint32_t zero = ((uint32_t)zero_point & 0xffffu) * 0x10001u;
    for (; i + 4 <= count; i += 4) {
        const uint32_t word = kg_load32(x + i);
        kg_store32(to + i, kg_subtract_pair(kg_even_bytes(word), zero));
        kg_store32(to + i + 2, kg_subtract_pair(kg_odd_bytes(word), zero));
    }
#endif
    for (; i < count; i++)
        to[i] = (int16_t)(x[i] - zero_point);
}

/* The same for x[order[i]]. */
static inline void kg_expand_ordered(const int8_t *x, const uint16_t *order, int32_t count,
                                     int32_t zero_point, int16_t *to)
{
    int32_t i = 0;
#if KG_HAS_DSP
    for (; i + 4 <= count; i += 4) {
        to[i] = (int16_t)(x[order[i]] - zero_point);
        to[i + 2] = (int16_t)(x[order[i + 1]] - zero_point);
        to[i + 1] = (int16_t)(x[order[i + 2]] - zero_point);
        to[i + 3] = (int16_t)(x[order[i + 3]] - zero_point);
    }
#endif
    for (; i < count; i++)
        to[i] = (int16_t)(x[order[i]] - zero_point);
}

static inline int32_t kg_dot(const int16_t *a, const int8_t *w, int32_t count, int32_t sum)
{
    int32_t i = 0;
#if KG_HAS_DSP
    for (; i + 4 <= count; i += 4) {
        const uint32_t word = kg_load32(w + i);
        sum = kg_dual_multiply(kg_even_bytes(word), kg_load32(a + i), sum);
        sum = kg_dual_multiply(kg_odd_bytes(word), kg_load32(a + i + 2), sum);
    }
#endif
    for (; i < count; i++)
        sum += a[i] * w[i];
    return sum;
}

#if KG_HAS_DSP
/* sums[2 * r + c] += a_r . w_c for two rows of activations and two of weights. */
static inline void kg_dot_2x2(const int16_t *a0, const int16_t *a1, const int8_t *w0,
                              const int8_t *w1, int32_t count, int32_t sums[4])
{
    int32_t s00 = sums[0], s01 = sums[1], s10 = sums[2], s11 = sums[3];
    const int8_t *const end = w0 + (count & ~3);
    while (w0 != end) {
        const uint32_t word0 = kg_load32(w0);
        const uint32_t word1 = kg_load32(w1);
        const uint32_t even0 = kg_even_bytes(word0), odd0 = kg_odd_bytes(word0);
        const uint32_t even1 = kg_even_bytes(word1), odd1 = kg_odd_bytes(word1);
        w0 += 4;
        w1 += 4;
        uint32_t even = kg_load32(a0), odd = kg_load32(a0 + 2);
        a0 += 4;
        s00 = kg_dual_multiply(even0, even, s00);
        s01 = kg_dual_multiply(even1, even, s01);
        s00 = kg_dual_multiply(odd0, odd, s00);
        s01 = kg_dual_multiply(odd1, odd, s01);
        even = kg_load32(a1);
        odd = kg_load32(a1 + 2);
        a1 += 4;
        s10 = kg_dual_multiply(even0, even, s10);
        s11 = kg_dual_multiply(even1, even, s11);
        s10 = kg_dual_multiply(odd0, odd, s10);
        s11 = kg_dual_multiply(odd1, odd, s11);
    }
    for (int32_t i = 0; i < (count & 3); i++) {
        s00 += a0[i] * w0[i];
        s01 += a0[i] * w1[i];
        s10 += a1[i] * w0[i];
        s11 += a1[i] * w1[i];
    }
    sums[0] = s00;
    sums[1] = s01;
    sums[2] = s10;
    sums[3] = s11;
}
#endif

/* Plain order: sum of a[i] * b[i]. */
static inline int32_t kg_dot16(const int16_t *a, const int16_t *b, int32_t count)
{
    int32_t sum = 0, i = 0;
#if KG_HAS_DSP
    for (; i + 2 <= count; i += 2)
        sum = kg_dual_multiply(kg_load32(a + i), kg_load32(b + i), sum);
#endif
    for (; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

#endif
