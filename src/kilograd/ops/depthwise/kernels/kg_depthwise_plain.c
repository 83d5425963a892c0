#include "kg_depthwise.h"

#include "kg_plane.h"

/* Channels summed at once; few enough for the sums to stay in registers or on a small stack. */
#define BLOCK 32

/* x: `channels` a position, the first of them that of sums[0] and of the weights */
KG_FALLBACK
static void sum_taps(const kg_depthwise_parameters *p, const int8_t *x, int32_t channels,
                     const int8_t *weight, int32_t row, int32_t column, int32_t width,
                     int32_t sums[BLOCK])
{
    const int32_t first = kg_first_tap(column);
    const int32_t last = kg_last_tap(column, p->kernel_width, p->input_width);
    const int32_t bottom = kg_last_tap(row, p->kernel_height, p->input_height);
    for (int32_t ky = kg_first_tap(row); ky < bottom; ky++) {
        const int8_t *from = x + ((row + ky) * p->input_width + column + first) * channels;
        const int8_t *w = weight + (ky * p->kernel_width + first) * p->channels;
        for (int32_t kx = first; kx < last; kx++, from += channels, w += p->channels) {
            if (width == BLOCK)
                for (int32_t b = 0; b < BLOCK; b++)
                    sums[b] += (from[b] - p->zero_point) * w[b];
            else
                for (int32_t b = 0; b < width; b++)
                    sums[b] += (from[b] - p->zero_point) * w[b];
        }
    }
}

/* Channels from `first` up to `end`; x begins with the first of them. */
KG_FALLBACK
static void some_channels(const kg_depthwise_parameters *p, int32_t first, int32_t end,
                          const int8_t *x, int32_t channels, const int32_t *bias,
                          const int8_t *weight, int8_t *y)
{
    for (int32_t row = 0; row < p->output_height; row++) {
        for (int32_t column = 0; column < p->output_width; column++, y += p->channels)
            for (int32_t c = first; c < end; c += BLOCK) {
                const int32_t width = end - c < BLOCK ? end - c : BLOCK;
                int32_t sums[BLOCK];
                for (int32_t b = 0; b < width; b++)
                    sums[b] = bias[c + b];
                sum_taps(p, x + c - first, channels, weight + c, row * p->stride - p->top,
                         column * p->stride - p->left, width, sums);
                for (int32_t b = 0; b < width; b++)
                    y[c + b] = kg_requantize(sums[b], p->multiplier[c + b], p->shift[c + b],
                                             p->output_zero_point);
            }
        KG_YIELD_POINT();
    }
}

void kg_depthwise_plain_from(const kg_depthwise_parameters *p, int32_t first, const int8_t *x,
                             const int32_t *bias, const int8_t *weight, int8_t *y, void *plane)
{
    const int32_t positions = p->input_height * p->input_width;
    if (x != y) {
        some_channels(p, first, p->channels, x + first, p->channels, bias, weight, y);
        return;
    }
    for (int32_t c = first; c < p->channels; c += KG_PLANE_CHANNELS) {
        const int32_t left = p->channels - c;
        const int32_t count = left < KG_PLANE_CHANNELS ? left : KG_PLANE_CHANNELS;
        const int8_t *const copy =
            kg_copy_plane(x + c, positions, p->channels, count, KG_PLANE_CHANNELS, plane);
        some_channels(p, c, c + count, copy, KG_PLANE_CHANNELS, bias, weight, y);
    }
}

void kg_depthwise_plain(const kg_depthwise_parameters *p, const int8_t *x, const int32_t *bias,
                        const int8_t *weight, int8_t *y, uint32_t *scratch)
{
    kg_depthwise_plain_from(p, 0, x, bias, weight, y, scratch);
}
