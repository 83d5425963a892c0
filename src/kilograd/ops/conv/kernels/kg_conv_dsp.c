#include "kg_conv.h"

#include "kg_gemm4_dsp.h"

/* `lines` lines of `count` bytes, `stride` apart, one behind the other. */
static inline int8_t *copy(const int8_t *from, int32_t stride, int32_t lines, int32_t count,
                           int8_t *to)
{
    for (; lines > 0; lines--, from += stride) {
        const int8_t *at = from;
        for (int32_t left = count >> 2; left > 0; left--, at += 4, to += 4)
            kg_store32(to, kg_load32(at));
        for (int32_t left = count & 3; left > 0; left--)
            *to++ = *at++;
    }
    return to;
}

static inline int8_t *fill(int8_t value, int32_t count, int8_t *to)
{
    for (; count > 0; count--)
        *to++ = value;
    return to;
}

/* The activations under the window at (row, column); the zero point outside the map. A row of
   taps is contiguous in memory. */
static void gather(const kg_conv_parameters *p, const int8_t *x, int32_t row, int32_t column,
                   int8_t *to)
{
    const int32_t channels = p->channels, line = p->kernel_width * channels;
    const int32_t stride = p->input_width * channels;
    const int32_t top = kg_first_tap(row), left = kg_first_tap(column);
    const int32_t bottom = kg_last_tap(row, p->kernel_height, p->input_height);
    const int32_t right = kg_last_tap(column, p->kernel_width, p->input_width);
    const int8_t *from = x + ((row + top) * p->input_width + column + left) * channels;
    const int8_t zero = (int8_t)p->zero_point;
    if (right - left == p->kernel_width && bottom - top == p->kernel_height) {
        copy(from, stride, p->kernel_height, line, to);
        return;
    }
    to = fill(zero, top * line, to);
    for (int32_t ky = top; ky < bottom; ky++, from += stride) {
        to = fill(zero, left * channels, to);
        to = copy(from, stride, 1, (right - left) * channels, to);
        to = fill(zero, (p->kernel_width - right) * channels, to);
    }
    fill(zero, (p->kernel_height - bottom) * line, to);
}

void kg_conv_dsp(const kg_conv_parameters *p, const int8_t *x, const int32_t *bias,
                 const int8_t *weight, int8_t *y, uint32_t *scratch)
{
    const int32_t taps = p->kernel_height * p->kernel_width * p->channels;
    const int32_t outputs = p->outputs, padded = (taps + 3) & ~3;
    uint32_t *const rows = scratch;
    const kg_outputs layer = {bias,    p->multiplier, p->shift,
                              outputs, outputs,       p->output_zero_point};
    int8_t *const windows = (int8_t *)(scratch + padded / 2 * KG_ROWS);
    for (int32_t row = 0; row < p->output_height; row++, y += p->output_width * outputs) {
        for (int32_t column = 0; column < p->output_width; column += KG_ROWS) {
            /* The last columns may be computed twice. */
            const int32_t first =
                column + KG_ROWS <= p->output_width ? column : p->output_width - KG_ROWS;
            for (int32_t r = 0; r < KG_ROWS; r++)
                gather(p, x, row * p->stride - p->top, (first + r) * p->stride - p->left,
                       windows + r * padded);
            kg_expand_rows(windows, padded, taps, p->zero_point, rows);
            int8_t *const to = y + first * outputs;
            if (taps % 4 == 0)
                kg_multiply_whole_rows(&layer, rows, weight, taps >> 2, to);
            else
                kg_multiply_rows(&layer, rows, weight, taps, NULL, 0, to);
        }
        KG_YIELD_POINT();
    }
}
