#include "kg_pointwise.h"

#include "kg_effective.h"
#include "kg_pointwise_dot.h"

void kg_pointwise_plain(const kg_pointwise_parameters *p, const int8_t *x, const int32_t *bias,
                        const int8_t *weight, const int8_t *frozen, const int8_t *delta, int8_t *y,
                        int16_t *scratch)
{
    const int32_t rest = p->channels - p->trained;
    int8_t *const effective = (int8_t *)scratch + p->effective_offset;
    for (int32_t first = 0; first < p->outputs; first += p->slice) {
        const int32_t left = p->outputs - first, count = left < p->slice ? left : p->slice;
        const int32_t skipped = first * p->trained;
        const int8_t *const other = rest == 0 ? NULL : frozen + first * rest;
        if (delta != NULL)
            kg_effective_weights(weight + skipped, delta + skipped, count * p->trained,
                                 p->fraction_bits, effective);
        const int8_t *const w = delta != NULL ? effective : weight + skipped;
        for (int32_t position = 0; position < p->positions; position++) {
            int8_t *const to = y + position * p->outputs + first;
            kg_expand_position(x + position * p->channels, p->order, p->channels, p->zero_point,
                               scratch);
            for (int32_t o = 0; o < count; o++)
                to[o] = kg_requantize(
                    kg_accumulate(scratch, bias[first + o], w, p->trained, other, rest, o),
                    p->multiplier[first + o], p->shift[first + o], p->output_zero_point);
            KG_YIELD_POINT();
        }
    }
}
