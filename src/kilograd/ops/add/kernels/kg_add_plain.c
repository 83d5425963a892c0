#include "kg_add.h"

#define UNIT (INT32_C(1) << 20)

void kg_add_plain(const kg_add_parameters *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t scaled_a = kg_multiply_by_quantized_multiplier(
            (a[i] - p->a_zero_point) * UNIT, p->a_multiplier, p->a_shift);
        const int32_t scaled_b = kg_multiply_by_quantized_multiplier(
            (b[i] - p->b_zero_point) * UNIT, p->b_multiplier, p->b_shift);
        y[i] = kg_requantize(scaled_a + scaled_b, p->output_multiplier, p->output_shift,
                             p->output_zero_point);
    }
}
