#include "kg_spaced.h"

#include "kg_dot.h"

/* The activations under the window at (row, column), zero point taken off, zeros outside. */
static void gather(const kg_spaced_conv_parameters *p, const int8_t *x, int32_t row, int32_t column,
                   int16_t *to)
{
    for (int32_t ky = 0; ky < p->kernel_height; ky++) {
        const int32_t iy = kg_under(row, p->row_stride, ky, p->row_dilation, p->top);
        for (int32_t kx = 0; kx < p->kernel_width; kx++, to += p->channels) {
            const int32_t ix = kg_under(column, p->column_stride, kx, p->column_dilation, p->left);
            if (!kg_is_inside(iy, p->input_height) || !kg_is_inside(ix, p->input_width)) {
                for (int32_t c = 0; c < p->channels; c++)
                    to[c] = 0;
                continue;
            }
            const int8_t *const from = x + (iy * p->input_width + ix) * p->channels;
            for (int32_t c = 0; c < p->channels; c++)
                to[c] = (int16_t)(from[c] - p->zero_point);
        }
    }
}

void kg_spaced_conv_plain(const kg_spaced_conv_parameters *p, const int8_t *x, const int32_t *bias,
                          const int8_t *weight, int8_t *y, uint32_t *scratch)
{
    const int32_t taps = p->kernel_height * p->kernel_width * p->channels;
    int16_t *const window = (int16_t *)(void *)scratch;
    for (int32_t row = 0; row < p->output_height; row++) {
        for (int32_t column = 0; column < p->output_width; column++, y += p->outputs) {
            gather(p, x, row, column, window);
            for (int32_t o = 0; o < p->outputs; o++)
                y[o] = kg_requantize(kg_dot(window, weight + o * taps, taps, bias[o]),
                                     p->multiplier[o], p->shift[o], p->output_zero_point);
        }
        KG_YIELD_POINT();
    }
}
