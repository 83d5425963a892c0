#include "kg_pointwise.h"

KG_SMALL
void kg_dense_weight_update_plain(const kg_dense_weight_update_parameters *p,
                                  const kg_control *control, int16_t *weight,
                                  const int8_t *gradient, const int32_t *gradient_exponent,
                                  const int8_t *x, const int32_t *loss_exponent)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    int32_t at = 0;
    kg_counted.weight_updates += (uint32_t)(p->outputs * p->trained);
    for (int32_t o = 0; o < p->outputs; o++)
        for (int32_t i = 0; i < p->trained; i++, at++) {
            const int32_t channel = p->order == NULL ? i : p->order[i];
            const int32_t sum = gradient[o] * (x[channel] - p->zero_point);
            const int32_t step = kg_step(control, sum, p->mantissa[o], p->exponent[o] + exponent,
                                         kg_random(key, (uint32_t)at));
            weight[at] = kg_stepped_wide_weight(weight[at], step);
        }
}
