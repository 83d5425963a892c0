#include "kg_spaced.h"

#define BLOCK 32

typedef kg_spaced_depthwise_input_gradient_parameters parameters;

/* sums[b] = sum over the taps that read (y, x) of gradient * weight, for channels from `first`. */
static void transposed(const parameters *p, int32_t first, int32_t width, int32_t y, int32_t x,
                       const int8_t *gradient, const int8_t *weight, int32_t sums[BLOCK])
{
    for (int32_t b = 0; b < width; b++)
        sums[b] = 0;
    for (int32_t ky = 0; ky < p->kernel_height; ky++) {
        const int32_t row =
            kg_reader(y, p->top, ky, p->row_dilation, p->row_stride, p->output_height);
        if (row < 0)
            continue;
        for (int32_t kx = 0; kx < p->kernel_width; kx++) {
            const int32_t column =
                kg_reader(x, p->left, kx, p->column_dilation, p->column_stride, p->output_width);
            if (column < 0)
                continue;
            const int8_t *const g =
                gradient + (row * p->output_width + column) * p->channels + first;
            const int8_t *const w = weight + (ky * p->kernel_width + kx) * p->channels + first;
            for (int32_t b = 0; b < width; b++)
                sums[b] += g[b] * w[b];
        }
    }
}

void kg_spaced_depthwise_input_gradient_plain(const parameters *p, const kg_control *control,
                                              const int8_t *gradient,
                                              const int32_t *gradient_exponent,
                                              const int8_t *weight, const int32_t *result_exponent,
                                              int8_t *result, uint32_t *magnitude)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    uint32_t seen = 0;
    for (int32_t y = 0; y < p->input_height; y++) {
        for (int32_t x = 0; x < p->input_width; x++)
            for (int32_t c = 0; c < p->channels; c += BLOCK) {
                const int32_t left = p->channels - c, width = left < BLOCK ? left : BLOCK;
                const int32_t at = (y * p->input_width + x) * p->channels + c;
                int32_t sums[BLOCK];
                transposed(p, c, width, y, x, gradient, weight, sums);
                for (int32_t b = 0; b < width; b++) {
                    const int32_t scale = p->channel_mantissa[c + b] * p->mantissa;
                    result[at + b] = kg_gradient_element((int64_t)sums[b] * scale, shift,
                                                         kg_random(key, (uint32_t)(at + b)), &seen);
                }
            }
        KG_YIELD_POINT();
    }
    *magnitude = seen;
}
