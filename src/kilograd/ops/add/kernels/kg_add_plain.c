#include "kg_add.h"

void kg_add_plain(const kg_add_parameters *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t scaled_a = kg_rescale(a[i], p->a_zero_point, p->a_multiplier, p->a_shift);
        const int32_t scaled_b = kg_rescale(b[i], p->b_zero_point, p->b_multiplier, p->b_shift);
        y[i] = kg_requantize(scaled_a + scaled_b, p->output_multiplier, p->output_shift,
                             p->output_zero_point);
    }
}
