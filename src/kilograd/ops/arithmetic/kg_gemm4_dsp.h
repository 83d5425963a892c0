/* Dot products of four rows of activations with rows of weights, by SMLAD. */
#ifndef KG_GEMM4_DSP_H
#define KG_GEMM4_DSP_H

#include "kg_requantize_dsp.h"

#define KG_ROWS 4

/* Parts of a row are padded to fours. */
static inline int32_t kg_padded(int32_t count)
{
    return (count + 3) & ~3;
}

/* Writes KG_ROWS rows of `count` activations, `stride` apart, as [count / 4][KG_ROWS][4] int16:
   zero point taken off, padded with zeros, each group of four in the order 0, 2, 1, 3 that SXTB16
   gives. Returns where the next part goes. */
static inline uint32_t *kg_expand_rows(const int8_t *x, int32_t stride, int32_t count,
                                       int32_t zero_point, uint32_t *rows)
{
    const uint32_t minus_zero = kg_repeat(-zero_point);
    const int8_t *const end = x + (count & ~3);
    for (; x != end; x += 4) {
        const int8_t *from = x;
        for (int32_t r = 0; r < KG_ROWS; r++, from += stride, rows += 2) {
            const uint32_t word = kg_load32(from);
            rows[0] = kg_add_even_bytes(minus_zero, word);
            rows[1] = kg_add_odd_bytes(minus_zero, word);
        }
    }
    if (count & 3)
        for (int32_t r = 0; r < KG_ROWS; r++, x += stride, rows += 2) {
            const int32_t part = count & 3;
            const int32_t second = part > 1 ? x[1] - zero_point : 0;
            const int32_t third = part > 2 ? x[2] - zero_point : 0;
            rows[0] = kg_pack_bottom((uint32_t)(x[0] - zero_point), (uint32_t)third);
            rows[1] = (uint32_t)second & 0xffffu;
        }
    return rows;
}

/* The same for x[order[i]]. */
static inline uint32_t *kg_expand_rows_ordered(const int8_t *x, int32_t stride,
                                               const uint16_t *order, int32_t count,
                                               int32_t zero_point, uint32_t *rows)
{
    for (int32_t i = 0; i < count; i += 4) {
        const int8_t *from = x;
        for (int32_t r = 0; r < KG_ROWS; r++, from += stride, rows += 2) {
            int32_t value[4] = {0, 0, 0, 0};
            for (int32_t k = 0; k < 4; k++)
                value[k] = i + k < count ? from[order[i + k]] - zero_point : 0;
            rows[0] = kg_pack_bottom((uint32_t)value[0], (uint32_t)value[2]);
            rows[1] = kg_pack_bottom((uint32_t)value[1], (uint32_t)value[3]);
        }
    }
    return rows;
}

#define KG_GROUP                                                                                   \
    "ldr %[even], [%[w]], #4\n"                                                                    \
    "ldmia %[a]!, {r4, r5, r6, r8}\n"                                                              \
    "sxtb16 %[odd], %[even], ror #8\n"                                                             \
    "sxtb16 %[even], %[even]\n"                                                                    \
    "smlad %[s0], %[even], r4, %[s0]\n"                                                            \
    "smlad %[s1], %[even], r6, %[s1]\n"                                                            \
    "smlad %[s0], %[odd], r5, %[s0]\n"                                                             \
    "smlad %[s1], %[odd], r8, %[s1]\n"                                                             \
    "ldmia %[a]!, {r4, r5, r6, r8}\n"                                                              \
    "smlad %[s2], %[even], r4, %[s2]\n"                                                            \
    "smlad %[s3], %[even], r6, %[s3]\n"                                                            \
    "smlad %[s2], %[odd], r5, %[s2]\n"                                                             \
    "smlad %[s3], %[odd], r8, %[s3]\n"

/* sums[r] += row r . weight; returns the rows behind the `count` values read, and moves `weight`
   as far. The compilers spill in a loop like this, hence the block of assembly. */
static inline const uint32_t *kg_dot_rows(const uint32_t *rows, const int8_t **weight,
                                          int32_t count, int32_t sums[KG_ROWS])
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    int32_t groups = count >> 2;
    const int8_t *w = *weight;
    uint32_t even, odd;
    /* clang-format off */
    __asm__ volatile("tst %[n], #1\n"
                     "beq 1f\n" KG_GROUP
                     "1: tst %[n], #2\n"
                     "beq 2f\n" KG_GROUP KG_GROUP
                     "2: lsrs %[n], %[n], #2\n"
                     "beq 4f\n"
                     "3:\n" KG_GROUP KG_GROUP KG_GROUP KG_GROUP
                     "subs %[n], %[n], #1\n"
                     "bne 3b\n"
                     "4:\n"
                     : [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2), [s3] "+&r"(s3),
                       [a] "+&r"(rows), [w] "+&r"(w), [n] "+&r"(groups), [even] "=&r"(even),
                       [odd] "=&r"(odd)
                     :
                     : "r4", "r5", "r6", "r8", "cc", "memory");
    /* clang-format on */
    const int32_t part = count & 3;
    if (part != 0) {
        const uint32_t word = kg_load_part(w, part);
        even = kg_even_bytes(word);
        odd = kg_odd_bytes(word);
        s0 = kg_dual_multiply(odd, rows[1], kg_dual_multiply(even, rows[0], s0));
        s1 = kg_dual_multiply(odd, rows[3], kg_dual_multiply(even, rows[2], s1));
        s2 = kg_dual_multiply(odd, rows[5], kg_dual_multiply(even, rows[4], s2));
        s3 = kg_dual_multiply(odd, rows[7], kg_dual_multiply(even, rows[6], s3));
        rows += 2 * KG_ROWS;
        w += part;
    }
    *weight = w;
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
    return rows;
}

/* What a layer's outputs need. */
typedef struct {
    const int32_t *bias, *multiplier;
    const int8_t *shift;
    int32_t outputs, all, zero_point; /* these, and those of a position */
} kg_outputs;

/* y[r][o] = row r . weight o, requantized. Where the weights are in two parts, the second are
   `frozen`. */
void kg_multiply_rows(const kg_outputs *layer, const uint32_t *rows, const int8_t *weight,
                      int32_t count, const int8_t *frozen, int32_t rest, int8_t *y);

/* The same for weights in one part, of four times as many as `groups`. */
void kg_multiply_whole_rows(const kg_outputs *layer, const uint32_t *rows, const int8_t *weight,
                            int32_t groups, int8_t *y);
#endif
