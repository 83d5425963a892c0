#include "kg_bias.h"

#include "kg_lanes_host.h"

void kg_bias_update_host(const kg_bias_update_parameters *p, const kg_control *control,
                         int16_t *delta, const void *base, const int8_t *gradient,
                         const int32_t *gradient_exponent, const int32_t *loss_exponent)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    for (int32_t c = 0; c < p->channels; c += KG_LANES) {
        const int32_t width = kg_lane_width(p->channels - c);
        const int8_t *from = gradient + c;
        kg_lanes sums = {0};
        for (int32_t position = 0; position < p->positions; position++, from += p->channels)
            sums += kg_load_lanes(from, width);
        for (int32_t i = 0; i < width; i++)
            kg_update_bias(p, control, key, exponent, c + i, sums[i], base, delta);
    }
}
