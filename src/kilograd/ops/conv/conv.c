#include "conv.h"

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

#if KG_HAS_DSP
/* The order that kg_dot_2x2 reads: 0, 2, 1, 3 in each group of four. */
static void interleave(int16_t *row, int32_t count)
{
    for (int32_t i = 0; i + 4 <= count; i += 4) {
        const int16_t second = row[i + 1];
        row[i + 1] = row[i + 2];
        row[i + 2] = second;
    }
}
#else
static void interleave(int16_t *row, int32_t count)
{
    (void)row;
    (void)count;
}
#endif

void kg_conv(const kg_conv_parameters *p, const int8_t *x, const int32_t *bias,
             const int8_t *weight, int8_t *y, int16_t *scratch)
{
    const int32_t taps = p->kernel_height * p->kernel_width * p->channels;
    for (int32_t row = 0; row < p->output_height; row++) {
        int32_t column = 0;
#if KG_HAS_DSP
        for (; column + 2 <= p->output_width; column += 2, y += 2 * p->outputs) {
            for (int32_t r = 0; r < 2; r++) {
                gather(p, x, row * p->stride - p->top, (column + r) * p->stride - p->left,
                       scratch + r * taps);
                interleave(scratch + r * taps, taps);
            }
            int32_t o = 0;
            for (; o + 2 <= p->outputs; o += 2) {
                int32_t sums[4] = {bias[o], bias[o + 1], bias[o], bias[o + 1]};
                const int8_t *const w = weight + o * taps;
                kg_dot_2x2(scratch, scratch + taps, w, w + taps, taps, sums);
                for (int32_t c = 0; c < 2; c++) {
                    const int32_t multiplier = p->multiplier[o + c], shift = p->shift[o + c];
                    y[o + c] = kg_requantize(sums[c], multiplier, shift, p->output_zero_point);
                    y[p->outputs + o + c] =
                        kg_requantize(sums[2 + c], multiplier, shift, p->output_zero_point);
                }
            }
            for (; o < p->outputs; o++)
                for (int32_t r = 0; r < 2; r++)
                    y[r * p->outputs + o] = kg_requantize(
                        kg_dot(scratch + r * taps, weight + o * taps, taps, bias[o]),
                        p->multiplier[o], p->shift[o], p->output_zero_point);
        }
#endif
        for (; column < p->output_width; column++, y += p->outputs) {
            gather(p, x, row * p->stride - p->top, column * p->stride - p->left, scratch);
            interleave(scratch, taps);
            for (int32_t o = 0; o < p->outputs; o++)
                y[o] = kg_requantize(kg_dot(scratch, weight + o * taps, taps, bias[o]),
                                     p->multiplier[o], p->shift[o], p->output_zero_point);
        }
    }
}
