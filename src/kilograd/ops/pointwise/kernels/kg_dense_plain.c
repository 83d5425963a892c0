#include "kg_pointwise.h"

#include "kg_pointwise_dot.h"

KG_SMALL
void kg_dense_plain(const kg_dense_parameters *p, const int8_t *x, const int32_t *bias,
                    const int8_t *weight, const int8_t *frozen, int32_t *y, int16_t *scratch)
{
    const int32_t rest = p->channels - p->trained;
    kg_expand_position(x, p->order, p->channels, p->zero_point, scratch);
    for (int32_t o = 0; o < p->outputs; o++) {
        const int32_t sum = kg_accumulate(scratch, bias[o], weight, p->trained, frozen, rest, o);
        y[o] = kg_multiply_by_quantized_multiplier(sum, p->multiplier[o], p->shift[o]);
    }
}
