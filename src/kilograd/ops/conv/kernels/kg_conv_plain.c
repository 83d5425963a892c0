#include "kg_conv.h"

#include "kg_dot.h"

/* The activations under the window at (row, column), zero point taken off, zeros outside. A row
   of taps is contiguous in memory, so it is expanded at once. */
static void gather(const kg_conv_parameters *p, const int8_t *x, int32_t row, int32_t column,
                   int16_t *to)
{
    const int32_t line = p->kernel_width * p->channels;
    const int32_t first = kg_first_tap(column);
    const int32_t last = kg_last_tap(column, p->kernel_width, p->input_width);
    for (int32_t ky = 0; ky < p->kernel_height; ky++, to += line) {
        const int32_t y = row + ky;
        const int inside = y >= 0 && y < p->input_height;
        const int32_t begin = inside ? first * p->channels : line;
        const int32_t end = inside ? last * p->channels : line;
        for (int32_t i = 0; i < begin; i++)
            to[i] = 0;
        const int8_t *from = x + (y * p->input_width + column) * p->channels;
        for (int32_t i = begin; i < end; i++)
            to[i] = (int16_t)(from[i] - p->zero_point);
        for (int32_t i = end; i < line; i++)
            to[i] = 0;
    }
}

void kg_conv_plain(const kg_conv_parameters *p, const int8_t *x, const int32_t *bias,
                   const int8_t *weight, int8_t *y, uint32_t *scratch)
{
    const int32_t taps = p->kernel_height * p->kernel_width * p->channels;
    int16_t *const window = (int16_t *)(void *)scratch;
    for (int32_t row = 0; row < p->output_height; row++) {
        for (int32_t column = 0; column < p->output_width; column++, y += p->outputs) {
            gather(p, x, row * p->stride - p->top, column * p->stride - p->left, window);
            for (int32_t o = 0; o < p->outputs; o++)
                y[o] = kg_requantize(kg_dot(window, weight + o * taps, taps, bias[o]),
                                     p->multiplier[o], p->shift[o], p->output_zero_point);
        }
        KG_YIELD_POINT();
    }
}
