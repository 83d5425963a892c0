#include "bias_step.h"

void kg_bias_step(const kg_bias_step_parameters *p, const kg_control *control, int32_t *bias,
                  const int8_t *gradient, const int32_t *gradient_exponent,
                  const int32_t *loss_exponent)
{
    const uint32_t key = kg_random_key(control, p->stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    for (int32_t c = 0; c < p->channels; c++) {
        int32_t sum = 0;
        const int8_t *from = gradient + c;
        for (int32_t position = 0; position < p->positions; position++)
            sum += from[position * p->channels];
        const int32_t step = kg_step(control, sum, p->mantissa[c], p->exponent[c] + exponent,
                                     kg_random(key, (uint32_t)c));
        bias[c] = kg_clamp(bias[c] - step, -p->limit, p->limit);
    }
}
