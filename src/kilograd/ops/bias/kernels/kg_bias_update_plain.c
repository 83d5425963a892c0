#include "kg_bias.h"

void kg_bias_update_plain(const kg_bias_update_parameters *p, const kg_control *control,
                          int16_t *delta, const void *base, const int8_t *gradient,
                          const int32_t *gradient_exponent, const int32_t *loss_exponent)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    kg_update_biases(p, control, key, exponent, 0, gradient, base, delta);
}
