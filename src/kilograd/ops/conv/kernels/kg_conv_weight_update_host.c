#include "kg_conv.h"
#include "kg_lanes_host.h"

/* Sums over positions of gradient * (x - zero point) at one tap of one channel, for sixteen
   outputs. */
KG_LANE_FUNCTION kg_lanes correlate(const kg_conv_weight_update_parameters *p,
                                    const int8_t *gradient, const int8_t *x, int32_t ky, int32_t kx,
                                    int32_t width)
{
    kg_lanes sums = {0};
    for (int32_t row = 0; row < p->output_height; row++) {
        const int32_t y = row * p->stride - p->top + ky;
        if (y < 0 || y >= p->input_height)
            continue;
        for (int32_t column = 0; column < p->output_width; column++) {
            const int32_t at = column * p->stride - p->left + kx;
            if (at < 0 || at >= p->input_width)
                continue;
            sums += kg_load_lanes(gradient + (row * p->output_width + column) * p->outputs, width) *
                    (x[(y * p->input_width + at) * p->channels] - p->zero_point);
        }
    }
    return sums;
}

void kg_conv_weight_update_host(const kg_conv_weight_update_parameters *p,
                                const kg_control *control, int8_t *weight, const int8_t *gradient,
                                const int32_t *gradient_exponent, const int8_t *x,
                                const int32_t *loss_exponent)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    const int32_t taps = p->kernel_height * p->kernel_width;
    kg_counted.weight_updates += (uint32_t)(p->outputs * taps * p->trained);
    for (int32_t first = 0; first < p->outputs; first += KG_LANES) {
        const int32_t width = kg_lane_width(p->outputs - first);
        for (int32_t tap = 0; tap < taps; tap++)
            for (int32_t t = 0; t < p->trained; t++) {
                const int32_t c = p->trained_channel[t];
                const int32_t ky = tap / p->kernel_width, kx = tap % p->kernel_width;
                kg_panel sums;
                sums.lanes = width == KG_LANES
                                 ? correlate(p, gradient + first, x + c, ky, kx, KG_LANES)
                                 : correlate(p, gradient + first, x + c, ky, kx, width);
                for (int32_t lane = 0; lane < width; lane++) {
                    const int32_t o = first + lane, at = (o * taps + tap) * p->channels + c;
                    const int32_t step =
                        kg_step(control, sums.each[lane], p->mantissa[o], p->exponent[o] + exponent,
                                kg_random(key, (uint32_t)at));
                    weight[at] = kg_stepped_weight(weight[at], step);
                }
            }
    }
}
