#include "kg_spaced.h"

void kg_spaced_conv_input_gradient_plain(const kg_spaced_conv_input_gradient_parameters *p,
                                         const kg_control *control, const int8_t *gradient,
                                         const int32_t *gradient_exponent, const int8_t *weight,
                                         const int32_t *result_exponent, int8_t *result,
                                         uint32_t *magnitude, int32_t *scratch)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t half = (INT32_C(1) << p->channel_shift) >> 1;
    const int32_t taps = p->kernel_height * p->kernel_width;
    uint32_t seen = 0, index = 0;
    for (int32_t y = 0; y < p->input_height; y++)
        for (int32_t x = 0; x < p->input_width; x++) {
            for (int32_t c = 0; c < p->channels; c++)
                scratch[c] = 0;
            for (int32_t tap = 0; tap < taps; tap++) {
                const int32_t row = kg_reader(y, p->top, tap / p->kernel_width, p->row_dilation,
                                              p->row_stride, p->output_height);
                const int32_t column =
                    kg_reader(x, p->left, tap % p->kernel_width, p->column_dilation,
                              p->column_stride, p->output_width);
                if (row < 0 || column < 0)
                    continue;
                const int8_t *const g = gradient + (row * p->output_width + column) * p->outputs;
                for (int32_t o = 0; o < p->outputs; o++) {
                    const int32_t scaled =
                        (g[o] * p->channel_mantissa[o] + half) >> p->channel_shift;
                    const int8_t *const w = weight + (o * taps + tap) * p->channels;
                    for (int32_t c = 0; c < p->channels; c++)
                        scratch[c] += scaled * w[c];
                }
            }
            for (int32_t c = 0; c < p->channels; c++, index++)
                result[index] = kg_gradient_element((int64_t)scratch[c] * p->mantissa, shift,
                                                    kg_random(key, index), &seen);
            KG_YIELD_POINT();
        }
    *magnitude = seen;
}
