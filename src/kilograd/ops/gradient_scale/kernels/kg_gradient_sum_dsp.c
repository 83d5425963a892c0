#include "kg_gradient_sum.h"

#include "kg_round_dsp.h"

void kg_gradient_sum_dsp(const kg_gradient_sum_parameters *p, const kg_control *control,
                         const int8_t *a, const int32_t *a_exponent, const int8_t *b,
                         const int32_t *b_exponent, const int32_t *result_exponent, int8_t *result,
                         uint32_t *magnitude)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const kg_alignment by = kg_align(a_exponent, b_exponent, result_exponent);
    uint32_t seen = 0;
    int32_t i = 0;
    const kg_rounding rounding = kg_prepare_rounding(1 << 14, kg_clamp(by.shift, 0, 62));
    const int32_t a_left = by.left_a + rounding.left, b_left = by.left_b + rounding.left;
    /* Without losses by the alignment, and with a sum of less than 32 bits. */
    if (by.right_a + by.right_b == 0 && a_left <= 22 && b_left <= 22 && by.shift >= 0 &&
        by.shift <= 62) {
        for (; i < p->count; i++) {
            const int32_t sum = a[i] * (INT32_C(1) << a_left) + b[i] * (INT32_C(1) << b_left);
            result[i] = kg_saturate_gradient(
                kg_round_product(sum, rounding.factor, rounding.right, kg_random(key, (uint32_t)i)),
                &seen);
        }
    }
    kg_sum_elements(p, &by, key, i, a, b, result, &seen);
    *magnitude = seen;
}
