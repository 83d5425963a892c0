#include "kg_spaced.h"

#include "kg_gemm4_dsp.h"

/* The activations under the window at (row, column); the zero point outside the map. */
static void gather(const kg_spaced_conv_parameters *p, const int8_t *x, int32_t row, int32_t column,
                   int8_t *to)
{
    const size_t bytes = (size_t)p->channels;
    for (int32_t ky = 0; ky < p->kernel_height; ky++) {
        const int32_t iy = kg_under(row, p->row_stride, ky, p->row_dilation, p->top);
        for (int32_t kx = 0; kx < p->kernel_width; kx++, to += bytes) {
            const int32_t ix = kg_under(column, p->column_stride, kx, p->column_dilation, p->left);
            if (kg_is_inside(iy, p->input_height) && kg_is_inside(ix, p->input_width))
                memcpy(to, x + (iy * p->input_width + ix) * p->channels, bytes);
            else
                memset(to, p->zero_point, bytes);
        }
    }
}

void kg_spaced_conv_dsp(const kg_spaced_conv_parameters *p, const int8_t *x, const int32_t *bias,
                        const int8_t *weight, int8_t *y, uint32_t *scratch)
{
    const int32_t taps = p->kernel_height * p->kernel_width * p->channels;
    const int32_t outputs = p->outputs, padded = (taps + 3) & ~3;
    const kg_outputs layer = {bias,    p->multiplier, p->shift,
                              outputs, outputs,       p->output_zero_point};
    uint32_t *const rows = scratch;
    int8_t *const windows = (int8_t *)(scratch + padded / 2 * KG_ROWS);
    for (int32_t row = 0; row < p->output_height; row++, y += p->output_width * outputs) {
        for (int32_t column = 0; column < p->output_width; column += KG_ROWS) {
            /* The last columns may be computed twice. */
            const int32_t first =
                column + KG_ROWS <= p->output_width ? column : p->output_width - KG_ROWS;
            for (int32_t r = 0; r < KG_ROWS; r++)
                gather(p, x, row, first + r, windows + r * padded);
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
