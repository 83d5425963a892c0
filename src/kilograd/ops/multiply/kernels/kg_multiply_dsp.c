#include "kg_multiply.h"

#include "kg_requantize_dsp.h"

KG_MULTIPLY(kg_multiply_dsp)
{
    const kg_requantizer q =
        kg_prepare_requantizer(p->multiplier, p->shift, 2 * p->output_zero_point + 1);
    const int32_t a_zero = p->a_zero_point, b_zero = p->b_zero_point;
    for (int32_t repeat = 0; repeat < p->repeats; repeat++)
        for (int32_t i = 0; i < p->count; i++)
            *y++ = kg_requantize_usual((*a++ - a_zero) * (b[i] - b_zero), q);
}
