#include "kg_depthwise.h"
#include "kg_lanes_host.h"
#include "kg_plane.h"

typedef kg_depthwise_input_gradient_parameters parameters;

/* Sums over the taps that read (y, x) of gradient * weight, for sixteen channels. */
KG_LANE_FUNCTION kg_lanes transposed(const parameters *p, const int8_t *gradient, int32_t channels,
                                     const kg_panel *weight, int32_t y, int32_t x, int32_t width)
{
    kg_lanes sums = {0};
    for (int32_t ky = (y + p->top) % p->stride; ky < p->kernel_height; ky += p->stride) {
        const int32_t row = (y + p->top - ky) / p->stride;
        if (y + p->top < ky || row >= p->output_height)
            continue;
        for (int32_t kx = (x + p->left) % p->stride; kx < p->kernel_width; kx += p->stride) {
            const int32_t column = (x + p->left - kx) / p->stride;
            if (x + p->left < kx || column >= p->output_width)
                continue;
            const int8_t *const from = gradient + (row * p->output_width + column) * channels;
            sums += kg_load_lanes(from, width) * weight[ky * p->kernel_width + kx].lanes;
        }
    }
    return sums;
}

void kg_depthwise_input_gradient_host(const parameters *p, const kg_control *control,
                                      const int8_t *gradient, const int32_t *gradient_exponent,
                                      const int8_t *weight, const int32_t *result_exponent,
                                      int8_t *result, uint32_t *magnitude, uint32_t *scratch)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const int32_t taps = p->kernel_height * p->kernel_width;
    const int32_t positions = p->output_height * p->output_width;
    const int in_place = gradient == result;
    *magnitude = 0;
    if (taps > KG_PANELS || (in_place && positions > KG_LANE_PLANE) ||
        !kg_shift_suits_lanes(shift)) {
        kg_depthwise_input_gradient_plain(p, control, gradient, gradient_exponent, weight,
                                          result_exponent, result, magnitude, scratch);
        return;
    }
    const uint32_t key = kg_random_key(control, p->rng_stream);
    kg_panel weights[KG_PANELS];
    int8_t plane[KG_LANE_PLANE * KG_LANES];
    const int32_t stride = in_place ? KG_LANES : p->channels;
    kg_lanes seen = {0};
    for (int32_t c = 0; c < p->channels; c += KG_LANES) {
        const int32_t width = kg_lane_width(p->channels - c);
        const kg_lanes factor = kg_load_short_lanes(p->channel_mantissa + c, width) * p->mantissa;
        for (int32_t tap = 0; tap < taps; tap++)
            weights[tap].lanes = kg_load_lanes(weight + tap * p->channels + c, width);
        const int8_t *from = gradient + c;
        if (in_place)
            from = kg_copy_plane(from, positions, p->channels, width, KG_LANES, plane);
        for (int32_t y = 0; y < p->input_height; y++)
            for (int32_t x = 0; x < p->input_width; x++) {
                const int32_t at = (y * p->input_width + x) * p->channels + c;
                const kg_lanes sums = width == KG_LANES
                                          ? transposed(p, from, stride, weights, y, x, KG_LANES)
                                          : transposed(p, from, stride, weights, y, x, width);
                kg_store_lanes(kg_gradient_lanes(sums, factor, shift, key, (uint32_t)at, &seen),
                               result + at, width);
            }
    }
    *magnitude = kg_joined_lanes(seen);
}
