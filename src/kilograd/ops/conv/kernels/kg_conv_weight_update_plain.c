#include "kg_conv.h"

KG_TAP_CORRELATION(kg_conv_weight_update_parameters, outputs)

void kg_conv_weight_update_plain(const kg_conv_weight_update_parameters *p,
                                 const kg_control *control, int8_t *weight, const int8_t *gradient,
                                 const int32_t *gradient_exponent, const int8_t *x,
                                 const int32_t *loss_exponent)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    kg_counted.weight_updates +=
        (uint32_t)(p->outputs * p->kernel_height * p->kernel_width * p->trained);
    for (int32_t ky = 0; ky < p->kernel_height; ky++)
        for (int32_t kx = 0; kx < p->kernel_width; kx++) {
            const kg_tap_positions tap = KG_TAP_POSITIONS(p, ky, kx);
            for (int32_t o = 0; o < p->outputs; o++) {
                for (int32_t t = 0; t < p->trained; t++) {
                    const int32_t c = p->trained_channel[t];
                    const int32_t at =
                        ((o * p->kernel_height + ky) * p->kernel_width + kx) * p->channels + c;
                    const int32_t sum = correlate(p, &tap, gradient + o, x + c);
                    kg_update_weight(control, weight, at, sum, p->mantissa[o],
                                     p->exponent[o] + exponent, key);
                }
                KG_YIELD_POINT();
            }
        }
}
