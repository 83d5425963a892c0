#include "depthwise.h"

#include "kg_dsp.h"
#include "kg_lanes.h"

/* Channels summed at once; few enough for the sums to stay in registers or on a small stack. */
#define BLOCK 32

static void sum_taps(const kg_depthwise_parameters *p, const int8_t *x, const int8_t *weight,
                     int32_t row, int32_t column, int32_t width, int32_t sums[BLOCK])
{
    const int32_t first = kg_first_tap(column);
    const int32_t last = kg_last_tap(column, p->kernel_width, p->input_width);
    const int32_t bottom = kg_last_tap(row, p->kernel_height, p->input_height);
    for (int32_t ky = kg_first_tap(row); ky < bottom; ky++) {
        const int8_t *from = x + ((row + ky) * p->input_width + column + first) * p->channels;
        const int8_t *w = weight + (ky * p->kernel_width + first) * p->channels;
        for (int32_t kx = first; kx < last; kx++, from += p->channels, w += p->channels) {
            if (width == BLOCK)
                for (int32_t b = 0; b < BLOCK; b++)
                    sums[b] += (from[b] - p->zero_point) * w[b];
            else
                for (int32_t b = 0; b < width; b++)
                    sums[b] += (from[b] - p->zero_point) * w[b];
        }
    }
}

void kg_depthwise_plain(const kg_depthwise_parameters *p, int32_t first, const int8_t *x,
                        const int32_t *bias, const int8_t *weight, int8_t *y)
{
    for (int32_t row = 0; row < p->output_height; row++)
        for (int32_t column = 0; column < p->output_width; column++, y += p->channels)
            for (int32_t c = first; c < p->channels; c += BLOCK) {
                const int32_t width = p->channels - c < BLOCK ? p->channels - c : BLOCK;
                int32_t sums[BLOCK];
                for (int32_t b = 0; b < width; b++)
                    sums[b] = bias[c + b];
                sum_taps(p, x + c, weight + c, row * p->stride - p->top,
                         column * p->stride - p->left, width, sums);
                for (int32_t b = 0; b < width; b++)
                    y[c + b] = kg_requantize(sums[b], p->multiplier[c + b], p->shift[c + b],
                                             p->output_zero_point);
            }
}

#if !KG_HAS_DSP && !KG_HAS_LANES
void kg_depthwise(const kg_depthwise_parameters *p, const int8_t *x, const int32_t *bias,
                  const int8_t *weight, int8_t *y, uint32_t *scratch)
{
    (void)scratch;
    kg_depthwise_plain(p, 0, x, bias, weight, y);
}
#endif
