#include "kg_conv.h"
#include "kg_lanes_host.h"

/* Sums over positions of gradient * (x - zero point) at one tap of one channel, for sixteen
   outputs; KG_TAP_CORRELATION in lanes, which share x. */
KG_LANE_FUNCTION kg_lanes correlate(const kg_conv_weight_update_parameters *p,
                                    const int8_t *gradient, const int8_t *x,
                                    const kg_tap_positions *tap, int32_t width)
{
    const kg_positions rows = tap->rows, columns = tap->columns;
    kg_lanes sum = {0};
    for (int32_t row = rows.first; row < rows.end; row++)
        for (int32_t column = columns.first; column < columns.end; column++) {
            const int32_t y = row * p->stride + rows.offset;
            const int32_t at = y * p->input_width + column * p->stride + columns.offset;
            const int8_t *const g = gradient + (row * p->output_width + column) * p->outputs;
            sum += kg_load_lanes(g, width) * (x[at * p->channels] - p->zero_point);
        }
    return sum;
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
        for (int32_t index = 0; index < taps; index++) {
            const int32_t ky = index / p->kernel_width, kx = index % p->kernel_width;
            const kg_tap_positions tap = KG_TAP_POSITIONS(p, ky, kx);
            for (int32_t t = 0; t < p->trained; t++) {
                const int32_t c = p->trained_channel[t];
                kg_panel sums;
                sums.lanes = width == KG_LANES
                                 ? correlate(p, gradient + first, x + c, &tap, KG_LANES)
                                 : correlate(p, gradient + first, x + c, &tap, width);
                for (int32_t lane = 0; lane < width; lane++) {
                    const int32_t o = first + lane, at = (o * taps + index) * p->channels + c;
                    kg_update_weight(control, weight, at, sums.each[lane], p->mantissa[o],
                                     p->exponent[o] + exponent, key);
                }
            }
        }
    }
}
