#include "depthwise.h"

#include "kg_dsp.h"
#include "kg_lanes.h"

#define BLOCK 32

/* sums[b] = sum over the taps that read (y, x) of gradient * weight, for `width` channels. */
static void transposed(const kg_depthwise_input_gradient_parameters *p, const int8_t *gradient,
                       const int8_t *weight, int32_t y, int32_t x, int32_t width,
                       int32_t sums[BLOCK])
{
    for (int32_t b = 0; b < BLOCK; b++)
        sums[b] = 0;
    for (int32_t ky = (y + p->top) % p->stride; ky < p->kernel_height; ky += p->stride) {
        const int32_t row = (y + p->top - ky) / p->stride;
        if (y + p->top < ky || row >= p->output_height)
            continue;
        for (int32_t kx = (x + p->left) % p->stride; kx < p->kernel_width; kx += p->stride) {
            const int32_t column = (x + p->left - kx) / p->stride;
            if (x + p->left < kx || column >= p->output_width)
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

void kg_depthwise_input_gradient_plain(const kg_depthwise_input_gradient_parameters *p,
                                       int32_t first, const kg_control *control,
                                       const int8_t *gradient, const int32_t *gradient_exponent,
                                       const int8_t *weight, const int32_t *result_exponent,
                                       int8_t *result, uint32_t *magnitude)
{
    const int32_t shift = kg_whole_exponent(result_exponent) -
                          kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->stream);
    uint32_t seen = 0;
    for (int32_t y = 0; y < p->input_height; y++)
        for (int32_t x = 0; x < p->input_width; x++)
            for (int32_t c = first; c < p->channels; c += BLOCK) {
                const int32_t width = p->channels - c < BLOCK ? p->channels - c : BLOCK;
                const int32_t at = (y * p->input_width + x) * p->channels + c;
                int32_t sums[BLOCK];
                transposed(p, gradient + c, weight + c, y, x, width, sums);
                for (int32_t b = 0; b < width; b++) {
                    const int32_t scale = p->channel_mantissa[c + b] * p->mantissa;
                    result[at + b] =
                        kg_gradient_element((int64_t)sums[b] * scale, shift,
                                            kg_random(key, (uint32_t)(at + b)), &seen);
                }
            }
    *magnitude |= seen;
}

#if !KG_HAS_DSP && !KG_HAS_LANES
void kg_depthwise_input_gradient(const kg_depthwise_input_gradient_parameters *p,
                                 const kg_control *control, const int8_t *gradient,
                                 const int32_t *gradient_exponent, const int8_t *weight,
                                 const int32_t *result_exponent, int8_t *result,
                                 uint32_t *magnitude, uint32_t *scratch)
{
    (void)scratch;
    *magnitude = 0;
    kg_depthwise_input_gradient_plain(p, 0, control, gradient, gradient_exponent, weight,
                                      result_exponent, result, magnitude);
}
#endif
