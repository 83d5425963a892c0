#include "kg_depthwise.h"

#include "kg_plane.h"

#define BLOCK 32

typedef kg_depthwise_input_gradient_parameters parameters;

/* sums[b] = sum over the taps that read (y, x) of gradient * weight, for `width` channels.
   gradient: `channels` a position, the first of them that of sums[0] and of the weights. */
KG_FALLBACK
static void transposed(const parameters *p, const int8_t *gradient, int32_t channels,
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
            const int8_t *const g = gradient + (row * p->output_width + column) * channels;
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

/* What is the same for all channels. */
typedef struct {
    const parameters *p;
    int32_t shift;
    uint32_t key, seen;
} call;

/* Channels from `first` up to `end`; the gradient begins with the first of them. */
KG_FALLBACK
static void some_channels(call *k, int32_t first, int32_t end, const int8_t *gradient,
                          int32_t channels, const int8_t *weight, int8_t *result)
{
    const parameters *const p = k->p;
    for (int32_t y = 0; y < p->input_height; y++) {
        for (int32_t x = 0; x < p->input_width; x++)
            for (int32_t c = first; c < end; c += BLOCK) {
                const int32_t width = end - c < BLOCK ? end - c : BLOCK;
                const int32_t at = (y * p->input_width + x) * p->channels + c;
                int32_t sums[BLOCK];
                transposed(p, gradient + c - first, channels, weight + c, y, x, width, sums);
                for (int32_t b = 0; b < width; b++) {
                    const int32_t scale = p->channel_mantissa[c + b] * p->mantissa;
                    result[at + b] =
                        kg_gradient_element((int64_t)sums[b] * scale, k->shift,
                                            kg_random(k->key, (uint32_t)(at + b)), &k->seen);
                }
            }
        KG_YIELD_POINT();
    }
}

void kg_depthwise_input_gradient_plain_from(const parameters *p, int32_t first,
                                            const kg_control *control, const int8_t *gradient,
                                            const int32_t *gradient_exponent, const int8_t *weight,
                                            const int32_t *result_exponent, int8_t *result,
                                            uint32_t *magnitude, void *plane)
{
    const int32_t positions = p->output_height * p->output_width;
    call k = {
        p, kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent,
        kg_random_key(control, p->rng_stream), *magnitude};
    if (gradient != result)
        some_channels(&k, first, p->channels, gradient + first, p->channels, weight, result);
    else
        for (int32_t c = first; c < p->channels; c += KG_PLANE_CHANNELS) {
            const int32_t left = p->channels - c;
            const int32_t count = left < KG_PLANE_CHANNELS ? left : KG_PLANE_CHANNELS;
            const int8_t *const copy = kg_copy_plane(gradient + c, positions, p->channels, count,
                                                     KG_PLANE_CHANNELS, plane);
            some_channels(&k, c, c + count, copy, KG_PLANE_CHANNELS, weight, result);
        }
    *magnitude = k.seen;
}

void kg_depthwise_input_gradient_plain(const parameters *p, const kg_control *control,
                                       const int8_t *gradient, const int32_t *gradient_exponent,
                                       const int8_t *weight, const int32_t *result_exponent,
                                       int8_t *result, uint32_t *magnitude, uint32_t *scratch)
{
    *magnitude = 0;
    kg_depthwise_input_gradient_plain_from(p, 0, control, gradient, gradient_exponent, weight,
                                           result_exponent, result, magnitude, scratch);
}
