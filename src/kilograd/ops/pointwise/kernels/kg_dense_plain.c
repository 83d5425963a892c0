#include "kg_pointwise_dot.h"

KG_SMALL
void kg_dense_plain(const kg_dense_parameters *p, const int8_t *x, const int32_t *bias,
              const int8_t *weight, const int8_t *frozen, int32_t *y, int16_t *scratch)
{
    kg_expand_position(p, x, scratch);
    for (int32_t o = 0; o < p->outputs; o++)
        y[o] = kg_multiply_by_quantized_multiplier(
            kg_accumulate(p, scratch, bias[o], weight, frozen, o), p->multiplier[o], p->shift[o]);
}
