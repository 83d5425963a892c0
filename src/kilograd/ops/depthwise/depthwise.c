#include "depthwise.h"

#include "kg_dot.h"

/* Channels summed at once; few enough for the sums to stay in registers or on a small stack. */
#if KG_HAS_DSP
#define BLOCK 4
#else
#define BLOCK 32
#endif

/* sums[b] += sum over the taps under the window of (x - zero point) * weight, BLOCK channels. */
static void whole_block(const kg_depthwise_parameters *p, const int8_t *x, const int8_t *weight,
                        int32_t row, int32_t column, int32_t sums[BLOCK])
{
    const int32_t first = kg_first_tap(column);
    const int32_t last = kg_last_tap(column, p->kernel_width, p->input_width);
    const int32_t bottom = kg_last_tap(row, p->kernel_height, p->input_height);
#if KG_HAS_DSP
    const uint32_t zero = ((uint32_t)p->zero_point & 0xffffu) * 0x10001u;
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
#endif
    for (int32_t ky = kg_first_tap(row); ky < bottom; ky++) {
        const int8_t *from = x + ((row + ky) * p->input_width + column + first) * p->channels;
        const int8_t *w = weight + (ky * p->kernel_width + first) * p->channels;
        for (int32_t kx = first; kx < last; kx++, from += p->channels, w += p->channels) {
#if KG_HAS_DSP
            const uint32_t word = kg_load32(from), weights = kg_load32(w);
            const uint32_t even = kg_subtract_pair(kg_even_bytes(word), zero);
            const uint32_t odd = kg_subtract_pair(kg_odd_bytes(word), zero);
            const uint32_t weight_even = kg_even_bytes(weights);
            const uint32_t weight_odd = kg_odd_bytes(weights);
            s0 += (int16_t)even * (int16_t)weight_even;
            s1 += (int16_t)odd * (int16_t)weight_odd;
            s2 += ((int32_t)even >> 16) * ((int32_t)weight_even >> 16);
            s3 += ((int32_t)odd >> 16) * ((int32_t)weight_odd >> 16);
#else
            for (int32_t b = 0; b < BLOCK; b++)
                sums[b] += (from[b] - p->zero_point) * w[b];
#endif
        }
    }
#if KG_HAS_DSP
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
#endif
}

static int32_t one_channel(const kg_depthwise_parameters *p, const int8_t *x,
                           const int8_t *weight, int32_t row, int32_t column)
{
    const int32_t first = kg_first_tap(column);
    const int32_t last = kg_last_tap(column, p->kernel_width, p->input_width);
    const int32_t bottom = kg_last_tap(row, p->kernel_height, p->input_height);
    int32_t sum = 0;
    for (int32_t ky = kg_first_tap(row); ky < bottom; ky++)
        for (int32_t kx = first; kx < last; kx++)
            sum += (x[((row + ky) * p->input_width + column + kx) * p->channels] - p->zero_point) *
                   weight[(ky * p->kernel_width + kx) * p->channels];
    return sum;
}

void kg_depthwise(const kg_depthwise_parameters *p, const int8_t *x, const int32_t *bias,
                  const int8_t *weight, int8_t *y)
{
    for (int32_t row = 0; row < p->output_height; row++)
        for (int32_t column = 0; column < p->output_width; column++, y += p->channels) {
            const int32_t top = row * p->stride - p->top, left = column * p->stride - p->left;
            int32_t c = 0;
            for (; c + BLOCK <= p->channels; c += BLOCK) {
                int32_t sums[BLOCK];
                for (int32_t b = 0; b < BLOCK; b++)
                    sums[b] = bias[c + b];
                whole_block(p, x + c, weight + c, top, left, sums);
                for (int32_t b = 0; b < BLOCK; b++)
                    y[c + b] = kg_requantize(sums[b], p->multiplier[c + b], p->shift[c + b],
                                             p->output_zero_point);
            }
            for (; c < p->channels; c++)
                y[c] = kg_requantize(bias[c] + one_channel(p, x + c, weight + c, top, left),
                                     p->multiplier[c], p->shift[c], p->output_zero_point);
        }
}
