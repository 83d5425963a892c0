#include "kg_effective.h"
#include "kg_pointwise.h"

typedef kg_pointwise_input_gradient_parameters parameters;

/* Channel c of the weights, one of `*stride` numbers a row. */
static const int8_t *column(const parameters *p, const int8_t *weight, const int8_t *frozen,
                            int32_t i, int32_t *stride)
{
    *stride = i < p->trained ? p->trained : p->channels - p->trained;
    return i < p->trained ? weight + i : frozen + (i - p->trained);
}

/* Channels first, first + 1, … of all outputs, of weights that are in two parts or moved by a
   delta; place[c] is where channel c is in the order. */
static void pack_parts(const parameters *p, const int8_t *weight, const int8_t *frozen,
                       const int8_t *delta, const uint16_t *place, int32_t first, int32_t width,
                       kg_panel *panel)
{
    memset(panel, 0, (size_t)((p->outputs + 1) / 2) * sizeof *panel);
    for (int32_t lane = 0; lane < width; lane++) {
        int32_t stride;
        const int32_t i = place[first + lane];
        const int8_t *from = column(p, weight, frozen, i, &stride);
        const int8_t *by = delta != NULL && i < p->trained ? delta + i : NULL;
        for (int32_t o = 0; o < p->outputs; o++, from += stride) {
            const int8_t w =
                by == NULL ? *from : kg_effective_weight(*from, by[o * stride], p->fraction_bits);
            const uint32_t half = (uint32_t)w & 0xFFFF;
            panel[o / 2].each[lane] |= (int32_t)(o & 1 ? half << 16 : half);
        }
    }
}

static void scale_gradient(const parameters *p, const int8_t *gradient, int16_t *to)
{
    const kg_lanes half = kg_lanes_of((INT32_C(1) << p->channel_shift) >> 1);
    for (int32_t o = 0; o < p->outputs; o += KG_LANES) {
        const int32_t width = kg_lane_width(p->outputs - o);
        const kg_lanes scaled = (kg_load_lanes(gradient + o, width) *
                                     kg_load_short_lanes(p->channel_mantissa + o, width) +
                                 half) >>
                                p->channel_shift;
        const kg_short_lanes shorts = __builtin_convertvector(scaled, kg_short_lanes);
        memcpy(to + o, &shorts, sizeof shorts);
    }
    if (p->outputs & 1)
        to[p->outputs] = 0;
}

void kg_pointwise_input_gradient_host(const parameters *p, const kg_control *control,
                                      const int8_t *gradient, const int32_t *gradient_exponent,
                                      const int8_t *weight, const int8_t *frozen,
                                      const int8_t *delta, const int32_t *result_exponent,
                                      int8_t *result, uint32_t *magnitude, uint32_t *scratch)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    if (p->outputs > KG_LANES_DEPTH || p->channels > KG_LANES_DEPTH ||
        !kg_shift_suits_lanes(shift)) {
        kg_pointwise_input_gradient_plain(p, control, gradient, gradient_exponent, weight, frozen,
                                          delta, result_exponent, result, magnitude, scratch);
        return;
    }
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t pairs = (p->outputs + 1) / 2, next = kg_lanes_at_once(pairs);
    const kg_lanes factor = kg_lanes_of(p->mantissa);
    kg_lanes seen = {0};
    kg_panel panel[KG_PANELS];
    kg_pair_rows rows;
    uint16_t place[KG_LANES_DEPTH];
    for (int32_t i = 0; i < p->channels; i++)
        place[p->order == NULL ? i : p->order[i]] = (uint16_t)i;
    for (int32_t begin = 0; begin < p->channels; begin += next) {
        const int32_t end = p->channels - begin < next ? p->channels : begin + next;
        for (int32_t c = begin; c < end; c += KG_LANES) {
            kg_panel *const to = panel + (c - begin) / KG_LANES * pairs;
            const int32_t width = kg_lane_width(end - c);
            if (p->order == NULL && delta == NULL)
                kg_pack_rows(weight + c, p->channels, p->outputs, 0, width, to);
            else
                pack_parts(p, weight, frozen, delta, place, c, width, to);
        }
        for (int32_t position = 0; position < p->positions; position += KG_LANE_ROWS) {
            const int32_t left = p->positions - position;
            const int32_t count = left < KG_LANE_ROWS ? left : KG_LANE_ROWS;
            for (int32_t r = 0; r < KG_LANE_ROWS; r++)
                scale_gradient(p, gradient + (position + (r < count ? r : 0)) * p->outputs,
                               rows.shorts[r]);
            for (int32_t c = begin; c < end; c += KG_LANES) {
                kg_lanes sums[KG_LANE_ROWS] = {{0}};
                kg_multiply_pairs(rows.pairs[0], rows.pairs[1] - rows.pairs[0], 1,
                                  panel + (c - begin) / KG_LANES * pairs, pairs, sums);
                for (int32_t r = 0; r < count; r++) {
                    const int32_t at = (position + r) * p->channels + c;
                    kg_store_lanes(
                        kg_gradient_lanes(sums[r], factor, shift, key, (uint32_t)at, &seen),
                        result + at, kg_lane_width(end - c));
                }
            }
        }
    }
    *magnitude = kg_joined_lanes(seen);
}
