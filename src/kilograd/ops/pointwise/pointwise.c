#include "pointwise.h"

#include "kg_effective.h"
#include "kg_dot.h"
#include "kg_dsp.h"
#include "kg_lanes.h"

static void expand(const kg_pointwise_parameters *p, const int8_t *x, int16_t *to)
{
    if (p->order == NULL)
        kg_expand(x, p->channels, p->zero_point, to);
    else
        kg_expand_ordered(x, p->order, p->channels, p->zero_point, to);
}

static int32_t accumulate(const kg_pointwise_parameters *p, const int16_t *row, int32_t bias,
                          const int8_t *weight, const int8_t *frozen, int32_t output)
{
    const int32_t rest = p->channels - p->trained;
    const int32_t sum = kg_dot(row, weight + output * p->trained, p->trained, bias);
    return rest == 0 ? sum : kg_dot(row + p->trained, frozen + output * rest, rest, sum);
}

KG_SMALL
void kg_dense(const kg_dense_parameters *p, const int8_t *x, const int32_t *bias,
              const int8_t *weight, const int8_t *frozen, int32_t *y, int16_t *scratch)
{
    expand(p, x, scratch);
    for (int32_t o = 0; o < p->outputs; o++)
        y[o] = kg_multiply_by_quantized_multiplier(
            accumulate(p, scratch, bias[o], weight, frozen, o), p->multiplier[o], p->shift[o]);
}

void kg_pointwise_plain(const kg_pointwise_parameters *p, const int8_t *x, const int32_t *bias,
                        const int8_t *weight, const int8_t *frozen, const int8_t *delta, int8_t *y,
                        int16_t *scratch)
{
    const int32_t rest = p->channels - p->trained;
    int8_t *const effective = (int8_t *)scratch + p->effective_offset;
    for (int32_t first = 0; first < p->outputs; first += p->slice) {
        const int32_t left = p->outputs - first, count = left < p->slice ? left : p->slice;
        const int32_t skipped = first * p->trained;
        const int8_t *const other = rest == 0 ? NULL : frozen + first * rest;
        if (delta != NULL)
            kg_effective_weights(weight + skipped, delta + skipped, count * p->trained,
                            p->fraction_bits, effective);
        const int8_t *const w = delta != NULL ? effective : weight + skipped;
        for (int32_t position = 0; position < p->positions; position++) {
            int8_t *const to = y + position * p->outputs + first;
            expand(p, x + position * p->channels, scratch);
            for (int32_t o = 0; o < count; o++)
                to[o] = kg_requantize(accumulate(p, scratch, bias[first + o], w, other, o),
                                      p->multiplier[first + o], p->shift[first + o],
                                      p->output_zero_point);
        }
    }
}

#if !KG_HAS_DSP && !KG_HAS_LANES
void kg_pointwise(const kg_pointwise_parameters *p, const int8_t *x, const int32_t *bias,
                  const int8_t *weight, const int8_t *frozen, const int8_t *delta, int8_t *y,
                  int16_t *scratch)
{
    kg_pointwise_plain(p, x, bias, weight, frozen, delta, y, scratch);
}
#endif
