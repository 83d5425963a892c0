#include "kg_gradient_sum.h"

#include "kg_lanes_host.h"

void kg_gradient_sum_host(const kg_gradient_sum_parameters *p, const kg_control *control,
                          const int8_t *a, const int32_t *a_exponent, const int8_t *b,
                          const int32_t *b_exponent, const int32_t *result_exponent, int8_t *result,
                          uint32_t *magnitude)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const kg_alignment by = kg_align(a_exponent, b_exponent, result_exponent);
    uint32_t seen = 0;
    int32_t i = 0;
    /* A sum of less than 32 bits. */
    if (by.left_a <= 22 && by.left_b <= 22 && kg_shift_suits_lanes(by.shift)) {
        kg_lanes joined = {0};
        for (; i + KG_LANES <= p->count; i += KG_LANES) {
            const kg_lanes sums = ((kg_load_lanes(a + i, KG_LANES) << by.left_a) >> by.right_a) +
                                  ((kg_load_lanes(b + i, KG_LANES) << by.left_b) >> by.right_b);
            kg_store_lanes(
                kg_gradient_lanes(sums, kg_lanes_of(1 << 14), by.shift, key, (uint32_t)i, &joined),
                result + i, KG_LANES);
        }
        seen = kg_joined_lanes(joined);
    }
    kg_sum_elements(p, &by, key, i, a, b, result, &seen);
    *magnitude = seen;
}
