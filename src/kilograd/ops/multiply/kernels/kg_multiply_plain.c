#include "kg_multiply.h"

KG_MULTIPLY(kg_multiply_plain)
{
    for (int32_t repeat = 0; repeat < p->repeats; repeat++)
        for (int32_t i = 0; i < p->count; i++) {
            const int32_t product = (*a++ - p->a_zero_point) * (b[i] - p->b_zero_point);
            *y++ = kg_requantize(product, p->multiplier, p->shift, p->output_zero_point);
        }
}
