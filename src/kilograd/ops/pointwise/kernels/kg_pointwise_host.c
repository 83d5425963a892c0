#include "kg_effective.h"
#include "kg_pointwise.h"

/* Row o of weights [outputs][channels] that may be in two parts, as pairs. */
static void expand_weights(const kg_pointwise_parameters *p, const int8_t *weight,
                           const int8_t *frozen, const int8_t *delta, int32_t o, int16_t *to)
{
    const int32_t rest = p->channels - p->trained, skipped = o * p->trained;
    int8_t effective[KG_LANES_DEPTH];
    if (delta != NULL)
        kg_effective_weights(weight + skipped, delta + skipped, p->trained, p->fraction_bits,
                             effective);
    const int8_t *const w = delta != NULL ? effective : weight + skipped;
    if (p->order == NULL) {
        kg_expand_pairs(w, p->channels, 0, to);
        return;
    }
    for (int32_t i = 0; i < p->trained; i++)
        to[p->order[i]] = w[i];
    for (int32_t i = 0; i < rest; i++)
        to[p->order[p->trained + i]] = frozen[o * rest + i];
    if (p->channels & 1)
        to[p->channels] = 0;
}

/* Rows first, first + 1, … of the weights side by side. */
static void pack_weights(const kg_pointwise_parameters *p, const int8_t *weight,
                         const int8_t *frozen, const int8_t *delta, int32_t first, int32_t width,
                         kg_panel *panel)
{
    kg_pair_rows row;
    const int32_t pairs = (p->channels + 1) / 2;
    if (width < KG_LANES)
        memset(panel, 0, (size_t)pairs * sizeof *panel);
    for (int32_t lane = 0; lane < width; lane++) {
        expand_weights(p, weight, frozen, delta, first + lane, row.shorts[0]);
        for (int32_t i = 0; i < pairs; i++)
            panel[i].each[lane] = row.pairs[0][i];
    }
}

void kg_pointwise_host(const kg_pointwise_parameters *p, const int8_t *x, const int32_t *bias,
                       const int8_t *weight, const int8_t *frozen, const int8_t *delta, int8_t *y,
                       int16_t *scratch)
{
    if (p->channels > KG_LANES_DEPTH || !kg_shifts_suit_lanes(p->shift, p->outputs)) {
        kg_pointwise_plain(p, x, bias, weight, frozen, delta, y, scratch);
        return;
    }
    kg_panel panel[KG_PANELS];
    kg_pair_rows rows;
    const int32_t pairs = (p->channels + 1) / 2, next = kg_lanes_at_once(pairs);
    for (int32_t begin = 0; begin < p->outputs; begin += next) {
        const int32_t end = p->outputs - begin < next ? p->outputs : begin + next;
        for (int32_t o = begin; o < end; o += KG_LANES)
            pack_weights(p, weight, frozen, delta, o, kg_lane_width(end - o),
                         panel + (o - begin) / KG_LANES * pairs);
        for (int32_t position = 0; position < p->positions; position += KG_LANE_ROWS) {
            const int32_t left = p->positions - position;
            const int32_t count = left < KG_LANE_ROWS ? left : KG_LANE_ROWS;
            for (int32_t r = 0; r < KG_LANE_ROWS; r++)
                kg_expand_pairs(x + (position + (r < count ? r : 0)) * p->channels, p->channels,
                                p->zero_point, rows.shorts[r]);
            for (int32_t o = begin; o < end; o += KG_LANES) {
                const int32_t width = kg_lane_width(end - o);
                const kg_lanes start = kg_load_long_lanes(bias + o, width);
                const kg_lane_requantizer q =
                    kg_load_requantizer(p->multiplier + o, p->shift + o, width);
                kg_lanes sums[KG_LANE_ROWS] = {start, start, start, start};
                kg_multiply_pairs(rows.pairs[0], rows.pairs[1] - rows.pairs[0], 1,
                                  panel + (o - begin) / KG_LANES * pairs, pairs, sums);
                for (int32_t r = 0; r < count; r++)
                    kg_store_lanes(kg_requantize_lanes(sums[r], &q, p->output_zero_point),
                                   y + (position + r) * p->outputs + o, width);
            }
        }
    }
}
