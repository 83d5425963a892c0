#include "depthwise.h"

#include "kg_dot.h"

#if KG_HAS_DSP
#define BLOCK 4
#else
#define BLOCK 32
#endif

/* sums[b] = sum over the taps that read (y, x) of gradient * weight, for `width` channels. */
static void transposed(const kg_depthwise_input_gradient_parameters *p, const int8_t *gradient,
                       const int8_t *weight, int32_t y, int32_t x, int32_t width,
                       int32_t sums[BLOCK])
{
    for (int32_t b = 0; b < BLOCK; b++)
        sums[b] = 0;
    for (int32_t ky = 0; ky < p->kernel_height; ky++) {
        int32_t row = y + p->top - ky;
        if (row < 0 || row % p->stride != 0)
            continue;
        row /= p->stride;
        if (row >= p->output_height)
            continue;
        for (int32_t kx = 0; kx < p->kernel_width; kx++) {
            int32_t column = x + p->left - kx;
            if (column < 0 || column % p->stride != 0)
                continue;
            column /= p->stride;
            if (column >= p->output_width)
                continue;
            const int8_t *const g = gradient + (row * p->output_width + column) * p->channels;
            const int8_t *const w = weight + (ky * p->kernel_width + kx) * p->channels;
            if (width == BLOCK)
                for (int32_t b = 0; b < BLOCK; b++)
                    sums[b] += g[b] * w[b];
            else
                for (int32_t b = 0; b < width; b++)
                    sums[b] += g[b] * w[b];
        }
    }
}

void kg_depthwise_input_gradient(const kg_depthwise_input_gradient_parameters *p,
                                 const kg_control *control, const int8_t *gradient,
                                 const int32_t *gradient_exponent, const int8_t *weight,
                                 const int32_t *result_exponent, int8_t *result,
                                 uint32_t *magnitude)
{
    const int32_t shift = kg_whole_exponent(result_exponent) -
                          kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->stream);
    uint32_t seen = 0, index = 0;
    for (int32_t y = 0; y < p->input_height; y++)
        for (int32_t x = 0; x < p->input_width; x++)
            for (int32_t c = 0; c < p->channels; c += BLOCK) {
                const int32_t width = p->channels - c < BLOCK ? p->channels - c : BLOCK;
                int32_t sums[BLOCK];
                transposed(p, gradient + c, weight + c, y, x, width, sums);
                for (int32_t b = 0; b < width; b++, index++) {
                    const int32_t scale = p->channel_mantissa[c + b] * p->mantissa;
                    result[index] = kg_gradient_element((int64_t)sums[b] * scale, shift,
                                                        kg_random(key, index), &seen);
                }
            }
    *magnitude = seen;
}
