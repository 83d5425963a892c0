#include "kg_lanes_host.h"
#include "kg_pointwise.h"

typedef kg_pointwise_weight_update_parameters parameters;

/* Trained channels first, first + 1, … at all positions. */
static void pack_channels(const parameters *p, const int8_t *x, int32_t first, int32_t width,
                          kg_panel *panel)
{
    if (p->order == NULL) {
        kg_pack_rows(x + first, p->channels, p->positions, p->zero_point, width, panel);
        return;
    }
    int8_t rows[2][KG_LANES] = {{0}};
    const uint16_t *const order = p->order + first;
    for (int32_t position = 0; position < p->positions; position += 2, x += 2 * p->channels) {
        const int32_t count = p->positions - position < 2 ? 1 : 2;
        for (int32_t lane = 0; lane < width; lane++) {
            rows[0][lane] = x[order[lane]];
            rows[1][lane] = count == 2 ? x[p->channels + order[lane]] : 0;
        }
        kg_pack_rows(rows[0], KG_LANES, count, p->zero_point, KG_LANES, panel++);
    }
}

void kg_pointwise_weight_update_host(const parameters *p, const kg_control *control, int8_t *weight,
                                     const int8_t *gradient, const int32_t *gradient_exponent,
                                     const int8_t *x, const int32_t *loss_exponent,
                                     uint32_t *scratch)
{
    if (p->positions > KG_LANES_DEPTH) {
        kg_pointwise_weight_update_plain(p, control, weight, gradient, gradient_exponent, x,
                                         loss_exponent, scratch);
        return;
    }
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    const int32_t pairs = (p->positions + 1) / 2, next = kg_lanes_at_once(pairs);
    kg_panel panel[KG_PANELS], rows[KG_PANELS];
    kg_counted.weight_updates += (uint32_t)(p->outputs * p->trained);
    for (int32_t begin = 0; begin < p->trained; begin += next) {
        const int32_t end = p->trained - begin < next ? p->trained : begin + next;
        for (int32_t c = begin; c < end; c += KG_LANES)
            pack_channels(p, x, c, kg_lane_width(end - c), panel + (c - begin) / KG_LANES * pairs);
        for (int32_t o = 0; o < p->outputs; o += KG_LANES) {
            const int32_t height = kg_lane_width(p->outputs - o);
            kg_pack_rows(gradient + o, p->outputs, p->positions, 0, height, rows);
            for (int32_t c = begin; c < end; c += KG_LANES)
                for (int32_t r = 0; r < height; r += KG_LANE_ROWS) {
                    kg_lanes sums[KG_LANE_ROWS] = {{0}};
                    kg_multiply_pairs(rows[0].each + r, 1, KG_LANES,
                                      panel + (c - begin) / KG_LANES * pairs, pairs, sums);
                    for (int32_t i = 0; i < KG_LANE_ROWS && r + i < height; i++) {
                        const int32_t at = (o + r + i) * p->trained + c;
                        kg_step_lanes(control, sums[i], p->mantissa[o + r + i],
                                      p->exponent[o + r + i] + exponent, key, (uint32_t)at,
                                      weight + at, kg_lane_width(end - c));
                    }
                }
        }
    }
}
