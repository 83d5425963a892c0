#include "kg_depthwise.h"
#include "kg_lanes_host.h"

typedef kg_depthwise_weight_update_parameters parameters;

/* Sums over positions of gradient * (x - zero point) of sixteen channels at one tap;
   KG_TAP_CORRELATION in lanes, each with an x of its own. */
KG_LANE_FUNCTION kg_lanes correlate(const parameters *p, const int8_t *gradient, const int8_t *x,
                                    const kg_tap_positions *tap, int32_t width)
{
    const kg_positions rows = tap->rows, columns = tap->columns;
    kg_lanes sum = {0};
    for (int32_t row = rows.first; row < rows.end; row++)
        for (int32_t column = columns.first; column < columns.end; column++) {
            const int32_t y = row * p->stride + rows.offset;
            const int32_t at = y * p->input_width + column * p->stride + columns.offset;
            const int8_t *const g = gradient + (row * p->output_width + column) * p->channels;
            sum += kg_load_lanes(g, width) *
                   (kg_load_lanes(x + at * p->channels, width) - p->zero_point);
        }
    return sum;
}

void kg_depthwise_weight_update_host(const parameters *p, const kg_control *control, int8_t *weight,
                                     const int8_t *gradient, const int32_t *gradient_exponent,
                                     const int8_t *x, const int32_t *loss_exponent)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    kg_counted.weight_updates += (uint32_t)(p->kernel_height * p->kernel_width * p->trained);
    for (int32_t ky = 0; ky < p->kernel_height; ky++)
        for (int32_t kx = 0; kx < p->kernel_width; kx++) {
            const kg_tap_positions tap = KG_TAP_POSITIONS(p, ky, kx);
            kg_panel sums;
            int32_t done = -1;
            for (int32_t t = 0; t < p->trained; t++) {
                const int32_t c = p->trained_channel[t], block = c / KG_LANES;
                if (block != done) {
                    const int32_t first = block * KG_LANES;
                    const int32_t width = kg_lane_width(p->channels - first);
                    sums.lanes = width == KG_LANES
                                     ? correlate(p, gradient + first, x + first, &tap, KG_LANES)
                                     : correlate(p, gradient + first, x + first, &tap, width);
                    done = block;
                }
                const int32_t at = (ky * p->kernel_width + kx) * p->channels + c;
                kg_update_weight(control, weight, at, sums.each[c % KG_LANES], p->mantissa[c],
                                 p->exponent[c] + exponent, key);
            }
        }
}
