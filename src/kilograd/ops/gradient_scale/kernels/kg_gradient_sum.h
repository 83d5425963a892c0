/* How two gradients with exponents of their own meet; a part of each kernel that adds them. */
#ifndef KG_GRADIENT_SUM_H
#define KG_GRADIENT_SUM_H

#include "kg_gradient_scale.h"

/* Shifts of both onto the smaller exponent, and of their sum to the result's. */
typedef struct {
    int32_t left_a, right_a, left_b, right_b, shift;
} kg_alignment;

static inline int32_t kg_at_most(int32_t value, int32_t limit)
{
    return value < limit ? value : limit;
}

static inline int32_t kg_at_least(int32_t value, int32_t limit)
{
    return value > limit ? value : limit;
}

static inline kg_alignment kg_align(const int32_t *a_exponent, const int32_t *b_exponent,
                                    const int32_t *result_exponent)
{
    const int32_t a = kg_whole_exponent(a_exponent), b = kg_whole_exponent(b_exponent);
    const int32_t low = kg_at_least(kg_at_most(a, b), kg_at_least(a, b) - KG_ALIGNMENT_LIMIT);
    const kg_alignment by = {
        .left_a = kg_at_least(a - low, 0),
        .right_a = kg_at_most(kg_at_least(low - a, 0), 31),
        .left_b = kg_at_least(b - low, 0),
        .right_b = kg_at_most(kg_at_least(low - b, 0), 31),
        .shift = kg_whole_exponent(result_exponent) - low + 14,
    };
    return by;
}

/* The elements from i on, one at a time. */
static inline void kg_sum_elements(const kg_gradient_sum_parameters *p, const kg_alignment *by,
                                   uint32_t key, int32_t i, const int8_t *a, const int8_t *b,
                                   int8_t *result, uint32_t *seen)
{
    for (; i < p->count; i++) {
        const int32_t aligned_a = (a[i] * (INT32_C(1) << by->left_a)) >> by->right_a;
        const int32_t aligned_b = (b[i] * (INT32_C(1) << by->left_b)) >> by->right_b;
        const int64_t sum = (int64_t)aligned_a + aligned_b;
        result[i] =
            kg_gradient_element(sum * (1 << 14), by->shift, kg_random(key, (uint32_t)i), seen);
    }
}

#endif
