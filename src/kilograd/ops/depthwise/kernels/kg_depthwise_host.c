#include "kg_depthwise.h"
#include "kg_lanes_host.h"
#include "kg_plane.h"

/* Sums over the taps inside the map of sixteen channels' activations times weights. */
KG_LANE_FUNCTION kg_lanes sum_taps(const kg_depthwise_parameters *p, const int8_t *x,
                                   int32_t channels, const kg_panel *weight, int32_t row,
                                   int32_t column, int32_t width, kg_lanes sums)
{
    const int32_t first = kg_first_tap(column);
    const int32_t last = kg_last_tap(column, p->kernel_width, p->input_width);
    const int32_t bottom = kg_last_tap(row, p->kernel_height, p->input_height);
    for (int32_t ky = kg_first_tap(row); ky < bottom; ky++) {
        const int8_t *from = x + ((row + ky) * p->input_width + column + first) * channels;
        const kg_panel *const w = weight + ky * p->kernel_width;
        for (int32_t kx = first; kx < last; kx++, from += channels)
            sums += (kg_load_lanes(from, width) - p->zero_point) * w[kx].lanes;
    }
    return sums;
}

void kg_depthwise_host(const kg_depthwise_parameters *p, const int8_t *x, const int32_t *bias,
                       const int8_t *weight, int8_t *y, uint32_t *scratch)
{
    const int32_t taps = p->kernel_height * p->kernel_width;
    const int32_t positions = p->input_height * p->input_width;
    const int in_place = x == y;
    if (taps > KG_PANELS || (in_place && positions > KG_LANE_PLANE) ||
        !kg_shifts_suit_lanes(p->shift, p->channels)) {
        kg_depthwise_plain(p, x, bias, weight, y, scratch);
        return;
    }
    kg_panel weights[KG_PANELS];
    int8_t plane[KG_LANE_PLANE * KG_LANES];
    const int32_t stride = in_place ? KG_LANES : p->channels;
    for (int32_t c = 0; c < p->channels; c += KG_LANES) {
        const int32_t width = kg_lane_width(p->channels - c);
        const kg_lanes start = kg_load_long_lanes(bias + c, width);
        const kg_lane_requantizer q = kg_load_requantizer(p->multiplier + c, p->shift + c, width);
        for (int32_t tap = 0; tap < taps; tap++)
            weights[tap].lanes = kg_load_lanes(weight + tap * p->channels + c, width);
        const int8_t *from = x + c;
        int8_t *to = y + c;
        if (in_place)
            from = kg_copy_plane(from, positions, p->channels, width, KG_LANES, plane);
        for (int32_t row = 0; row < p->output_height; row++)
            for (int32_t column = 0; column < p->output_width; column++, to += p->channels) {
                const int32_t top = row * p->stride - p->top;
                const int32_t left = column * p->stride - p->left;
                const kg_lanes sums =
                    width == KG_LANES
                        ? sum_taps(p, from, stride, weights, top, left, KG_LANES, start)
                        : sum_taps(p, from, stride, weights, top, left, width, start);
                kg_store_lanes(kg_requantize_lanes(sums, &q, p->output_zero_point), to, width);
            }
    }
}
