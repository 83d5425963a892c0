#include "kg_spaced.h"

/* Channels summed at once; few enough for the sums to lie on a small stack. */
#define BLOCK 32

/* Channels from `first` on at one position. */
KG_FALLBACK
static void some_channels(const kg_spaced_depthwise_parameters *p, int32_t first, int32_t width,
                          int32_t row, int32_t column, const int8_t *x, const int32_t *bias,
                          const int8_t *weight, int8_t *y)
{
    int32_t sums[BLOCK];
    for (int32_t b = 0; b < width; b++)
        sums[b] = bias[first + b];
    for (int32_t ky = 0; ky < p->kernel_height; ky++) {
        const int32_t iy = kg_under(row, p->row_stride, ky, p->row_dilation, p->top);
        if (!kg_is_inside(iy, p->input_height))
            continue;
        for (int32_t kx = 0; kx < p->kernel_width; kx++) {
            const int32_t ix = kg_under(column, p->column_stride, kx, p->column_dilation, p->left);
            if (!kg_is_inside(ix, p->input_width))
                continue;
            const int8_t *const from = x + (iy * p->input_width + ix) * p->channels + first;
            const int8_t *const w = weight + (ky * p->kernel_width + kx) * p->channels + first;
            for (int32_t b = 0; b < width; b++)
                sums[b] += (from[b] - p->zero_point) * w[b];
        }
    }
    for (int32_t b = 0; b < width; b++)
        y[first + b] = kg_requantize(sums[b], p->multiplier[first + b], p->shift[first + b],
                                     p->output_zero_point);
}

void kg_spaced_depthwise_plain_from(const kg_spaced_depthwise_parameters *p, int32_t first,
                                    const int8_t *x, const int32_t *bias, const int8_t *weight,
                                    int8_t *y)
{
    for (int32_t row = 0; row < p->output_height; row++) {
        for (int32_t column = 0; column < p->output_width; column++, y += p->channels)
            for (int32_t c = first; c < p->channels; c += BLOCK) {
                const int32_t left = p->channels - c;
                some_channels(p, c, left < BLOCK ? left : BLOCK, row, column, x, bias, weight, y);
            }
        KG_YIELD_POINT();
    }
}

void kg_spaced_depthwise_plain(const kg_spaced_depthwise_parameters *p, const int8_t *x,
                               const int32_t *bias, const int8_t *weight, int8_t *y)
{
    kg_spaced_depthwise_plain_from(p, 0, x, bias, weight, y);
}
