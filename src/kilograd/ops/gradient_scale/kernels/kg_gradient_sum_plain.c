#include "kg_gradient_sum.h"

void kg_gradient_sum_plain(const kg_gradient_sum_parameters *p, const kg_control *control,
                           const int8_t *a, const int32_t *a_exponent, const int8_t *b,
                           const int32_t *b_exponent, const int32_t *result_exponent,
                           int8_t *result, uint32_t *magnitude)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const kg_alignment by = kg_align(a_exponent, b_exponent, result_exponent);
    uint32_t seen = 0;
    kg_sum_elements(p, &by, key, 0, a, b, result, &seen);
    *magnitude = seen;
}
