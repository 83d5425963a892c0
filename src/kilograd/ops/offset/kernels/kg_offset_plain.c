#include "kg_offset.h"

#define UNIT (INT32_C(1) << 20)

void kg_offset_plain(const kg_offset_parameters *p, const int8_t *x, int8_t *y)
{
    for (int32_t position = 0; position < p->positions; position++)
        for (int32_t c = 0; c < p->channels; c++, x++, y++) {
            const int32_t scaled = kg_multiply_by_quantized_multiplier((*x - p->zero_point) * UNIT,
                                                                       p->multiplier, p->shift);
            *y = kg_requantize(scaled + p->term[c], p->output_multiplier, p->output_shift,
                               p->output_zero_point);
        }
}
