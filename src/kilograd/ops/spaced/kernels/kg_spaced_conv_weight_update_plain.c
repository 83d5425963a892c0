#include "kg_spaced.h"

KG_SPACED_CORRELATION(kg_spaced_conv_weight_update_parameters, outputs)

void kg_spaced_conv_weight_update_plain(const kg_spaced_conv_weight_update_parameters *p,
                                        const kg_control *control, int8_t *weight,
                                        const int8_t *gradient, const int32_t *gradient_exponent,
                                        const int8_t *x, const int32_t *loss_exponent)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    const int32_t taps = p->kernel_height * p->kernel_width;
    kg_counted.weight_updates += (uint32_t)(p->outputs * taps * p->trained);
    for (int32_t o = 0; o < p->outputs; o++)
        for (int32_t tap = 0; tap < taps; tap++) {
            const int32_t ky = tap / p->kernel_width, kx = tap % p->kernel_width;
            for (int32_t t = 0; t < p->trained; t++) {
                const int32_t c = p->trained_channel[t];
                kg_update_weight(control, weight, (o * taps + tap) * p->channels + c,
                                 correlate(p, ky, kx, gradient + o, x + c), p->mantissa[o],
                                 p->exponent[o] + exponent, key);
            }
            KG_YIELD_POINT();
        }
}
