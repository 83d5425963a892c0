#include "kg_conv.h"

/* Sum over positions of gradient[.][o] * (x - zero point) at one tap and channel. */
static int32_t correlate(const kg_conv_weight_update_parameters *p, const int8_t *gradient,
                         const int8_t *x, const kg_tap_positions *tap)
{
    const kg_positions rows = tap->rows, columns = tap->columns;
    int32_t sum = 0;
    for (int32_t row = rows.first; row < rows.end; row++)
        for (int32_t column = columns.first; column < columns.end; column++) {
            const int32_t y = row * p->stride + rows.offset;
            const int32_t at = y * p->input_width + column * p->stride + columns.offset;
            const int8_t *const g = gradient + (row * p->output_width + column) * p->outputs;
            sum += g[0] * (x[at * p->channels] - p->zero_point);
        }
    return sum;
}

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
            for (int32_t o = 0; o < p->outputs; o++)
                for (int32_t t = 0; t < p->trained; t++) {
                    const int32_t c = p->trained_channel[t];
                    const int32_t at =
                        ((o * p->kernel_height + ky) * p->kernel_width + kx) * p->channels + c;
                    const int32_t sum = correlate(p, gradient + o, x + c, &tap);
                    const int32_t step =
                        kg_step(control, sum, p->mantissa[o], p->exponent[o] + exponent,
                                kg_random(key, (uint32_t)at));
                    weight[at] = kg_stepped_weight(weight[at], step);
                }
        }
}
