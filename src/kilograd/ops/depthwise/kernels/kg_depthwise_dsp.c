#include "kg_all_registers.h"

#include "kg_depthwise.h"

#include "kg_plane.h"
#include "kg_requantize_dsp.h"
#include "kg_taps_dsp.h"

KG_NOINLINE
static void four_channels(const kg_depthwise_parameters *p, const kg_taps *taps, int32_t channel,
                          const int8_t *x, const int32_t *bias, const int8_t *weight, int8_t *y,
                          uint32_t *packed)
{
    kg_requantizer q[KG_TAP_CHANNELS];
    for (int32_t c = 0; c < KG_TAP_CHANNELS; c++)
        q[c] = kg_prepare_requantizer(p->multiplier[channel + c], p->shift[channel + c],
                                      2 * p->output_zero_point + 1);
    kg_pack_taps(taps, weight, packed);
    const int32_t row_words = 2 * p->kernel_width;
    const int32_t inside = p->input_width - p->kernel_width;
    for (int32_t row = 0; row < p->output_height; row++) {
        const int32_t top = row * p->stride - p->top;
        const int32_t first = kg_first_tap(top);
        const int32_t rows = kg_last_tap(top, p->kernel_height, p->input_height) - first;
        const uint32_t *const from = packed + first * row_words;
        int32_t left = -p->left;
        const int8_t *at = x + ((top + first) * p->input_width + left) * taps->channels;
        const int8_t *const row_end = y + p->output_width * p->channels;
        for (; y != row_end; y += p->channels) {
            int32_t sums[KG_TAP_CHANNELS] = {bias[0], bias[1], bias[2], bias[3]};
            if (left >= 0 && left <= inside) {
                kg_sum_taps(taps, at, from, rows, sums);
            } else {
                const int32_t begin = kg_first_tap(left);
                const int32_t end = kg_last_tap(left, p->kernel_width, p->input_width);
                kg_sum_some_taps(taps, at + begin * taps->channels, from, rows, begin, end, sums);
            }
            left += p->stride;
            at += p->stride * taps->channels;
            kg_requantize_four(sums, q, y);
        }
    }
}

void kg_depthwise_dsp(const kg_depthwise_parameters *p, const int8_t *x, const int32_t *bias,
                      const int8_t *weight, int8_t *y, uint32_t *scratch)
{
    const int in_place = x == y;
    const int32_t positions = p->input_height * p->input_width;
    uint32_t few[KG_PACKED_TAPS(3, 3)], *packed = scratch;
    if (p->kernel_height * p->kernel_width <= KG_DEPTHWISE_FEW)
        packed = few;
    else if (in_place)
        packed += positions;
    const kg_taps taps = {
        .width = p->input_width,
        .channels = in_place ? KG_PLANE_CHANNELS : p->channels,
        .kernel_height = p->kernel_height,
        .kernel_width = p->kernel_width,
        .weight_row = p->kernel_width * p->channels,
        .weight_column = p->channels,
        .minus_zero = kg_repeat(-p->zero_point),
    };
    int32_t c = 0;
    for (; c + KG_TAP_CHANNELS <= p->channels; c += KG_TAP_CHANNELS) {
        const int8_t *from = x + c;
        if (in_place)
            from = kg_copy_plane(from, positions, p->channels, KG_TAP_CHANNELS, KG_PLANE_CHANNELS,
                                 scratch);
        four_channels(p, &taps, c, from, bias + c, weight + c, y + c, packed);
        KG_YIELD_POINT();
    }
    if (c < p->channels)
        kg_depthwise_plain_from(p, c, x, bias, weight, y, scratch);
}
