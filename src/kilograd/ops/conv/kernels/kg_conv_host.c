#include "kg_conv.h"
#include "kg_lanes_host.h"

/* The activations under the window at (row, column), zero point taken off, zeros outside. */
static void gather(const kg_conv_parameters *p, const int8_t *x, int32_t row, int32_t column,
                   int16_t *to)
{
    const int32_t line = p->kernel_width * p->channels;
    const int32_t first = kg_first_tap(column);
    const int32_t last = kg_last_tap(column, p->kernel_width, p->input_width);
    for (int32_t ky = 0; ky < p->kernel_height; ky++, to += line) {
        const int32_t y = row + ky;
        memset(to, 0, (size_t)line * sizeof *to);
        if (y < 0 || y >= p->input_height)
            continue;
        const int8_t *const from = x + (y * p->input_width + column) * p->channels;
        for (int32_t i = first * p->channels; i < last * p->channels; i++)
            to[i] = (int16_t)(from[i] - p->zero_point);
    }
}

void kg_conv_host(const kg_conv_parameters *p, const int8_t *x, const int32_t *bias,
                  const int8_t *weight, int8_t *y, uint32_t *scratch)
{
    const int32_t taps = p->kernel_height * p->kernel_width * p->channels;
    if (taps > KG_LANES_DEPTH || !kg_shifts_suit_lanes(p->shift, p->outputs)) {
        kg_conv_plain(p, x, bias, weight, y, scratch);
        return;
    }
    const int32_t pairs = (taps + 1) / 2;
    const int32_t positions = p->output_height * p->output_width;
    kg_panel panel[KG_PANELS];
    kg_pair_rows rows;
    for (int32_t o = 0; o < p->outputs; o += KG_LANES) {
        const int32_t width = kg_lane_width(p->outputs - o);
        const kg_lanes start = kg_load_long_lanes(bias + o, width);
        const kg_lane_requantizer q = kg_load_requantizer(p->multiplier + o, p->shift + o, width);
        memset(panel, 0, (size_t)pairs * sizeof *panel);
        for (int32_t lane = 0; lane < width; lane++) {
            kg_expand_pairs(weight + (o + lane) * taps, taps, 0, rows.shorts[0]);
            for (int32_t i = 0; i < pairs; i++)
                panel[i].each[lane] = rows.pairs[0][i];
        }
        for (int32_t position = 0; position < positions; position += KG_LANE_ROWS) {
            const int32_t left = positions - position;
            const int32_t count = left < KG_LANE_ROWS ? left : KG_LANE_ROWS;
            for (int32_t r = 0; r < KG_LANE_ROWS; r++) {
                const int32_t at = position + (r < count ? r : 0);
                gather(p, x, at / p->output_width * p->stride - p->top,
                       at % p->output_width * p->stride - p->left, rows.shorts[r]);
                rows.shorts[r][taps] = 0;
            }
            kg_lanes sums[KG_LANE_ROWS] = {start, start, start, start};
            kg_multiply_pairs(rows.pairs[0], rows.pairs[1] - rows.pairs[0], 1, panel, pairs, sums);
            for (int32_t r = 0; r < count; r++)
                kg_store_lanes(kg_requantize_lanes(sums[r], &q, p->output_zero_point),
                               y + (position + r) * p->outputs + o, width);
        }
    }
}
