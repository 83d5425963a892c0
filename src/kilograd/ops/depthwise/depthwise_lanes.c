#include "depthwise.h"
#include "kg_lanes.h"

#if KG_HAS_LANES
/* Sums over the taps inside the map of sixteen channels' activations times weights. */
KG_LANE_FUNCTION kg_lanes sum_taps(const kg_depthwise_parameters *p, const int8_t *x,
                                   const kg_panel *weight, int32_t row, int32_t column,
                                   int32_t width, kg_lanes sums)
{
    const int32_t first = kg_first_tap(column);
    const int32_t last = kg_last_tap(column, p->kernel_width, p->input_width);
    const int32_t bottom = kg_last_tap(row, p->kernel_height, p->input_height);
    for (int32_t ky = kg_first_tap(row); ky < bottom; ky++) {
        const int8_t *from = x + ((row + ky) * p->input_width + column + first) * p->channels;
        const kg_panel *const w = weight + ky * p->kernel_width;
        for (int32_t kx = first; kx < last; kx++, from += p->channels)
            sums += (kg_load_lanes(from, width) - p->zero_point) * w[kx].lanes;
    }
    return sums;
}

void kg_depthwise(const kg_depthwise_parameters *p, const int8_t *x, const int32_t *bias,
                  const int8_t *weight, int8_t *y, uint32_t *scratch)
{
    (void)scratch;
    const int32_t taps = p->kernel_height * p->kernel_width;
    if (taps > KG_PANELS || !kg_shifts_suit_lanes(p->shift, p->channels)) {
        kg_depthwise_plain(p, 0, x, bias, weight, y);
        return;
    }
    kg_panel weights[KG_PANELS];
    for (int32_t c = 0; c < p->channels; c += KG_LANES) {
        const int32_t width = kg_lane_width(p->channels - c);
        const kg_lanes start = kg_load_long_lanes(bias + c, width);
        const kg_lane_requantizer q = kg_load_requantizer(p->multiplier + c, p->shift + c, width);
        for (int32_t tap = 0; tap < taps; tap++)
            weights[tap].lanes = kg_load_lanes(weight + tap * p->channels + c, width);
        int8_t *to = y + c;
        for (int32_t row = 0; row < p->output_height; row++)
            for (int32_t column = 0; column < p->output_width; column++, to += p->channels) {
                const int32_t top = row * p->stride - p->top;
                const int32_t left = column * p->stride - p->left;
                const kg_lanes sums =
                    width == KG_LANES
                        ? sum_taps(p, x + c, weights, top, left, KG_LANES, start)
                        : sum_taps(p, x + c, weights, top, left, width, start);
                kg_store_lanes(kg_requantize_lanes(sums, &q, p->output_zero_point), to, width);
            }
    }
}
#endif
