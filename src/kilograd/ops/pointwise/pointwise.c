#include "pointwise.h"

#include "kg_dot.h"

static void expand(const kg_pointwise_parameters *p, const int8_t *x, int16_t *to)
{
    if (p->order == NULL) {
        kg_expand(x, p->channels, p->zero_point, to);
        return;
    }
    kg_expand_ordered(x, p->order, p->trained, p->zero_point, to);
    kg_expand_ordered(x, p->order + p->trained, p->channels - p->trained, p->zero_point,
                      to + p->trained);
}

static int32_t accumulate(const kg_pointwise_parameters *p, const int16_t *row, int32_t bias,
                          const int8_t *weight, const int8_t *frozen, int32_t output)
{
    const int32_t rest = p->channels - p->trained;
    const int32_t sum = kg_dot(row, weight + output * p->trained, p->trained, bias);
    return rest == 0 ? sum : kg_dot(row + p->trained, frozen + output * rest, rest, sum);
}

void kg_dense(const kg_dense_parameters *p, const int8_t *x, const int32_t *bias,
              const int8_t *weight, const int8_t *frozen, int32_t *y, int16_t *scratch)
{
    expand(p, x, scratch);
    for (int32_t o = 0; o < p->outputs; o++)
        y[o] = kg_multiply_by_quantized_multiplier(
            accumulate(p, scratch, bias[o], weight, frozen, o), p->multiplier[o], p->shift[o]);
}

static void one_position(const kg_pointwise_parameters *p, const int16_t *row, const int32_t *bias,
                         const int8_t *weight, const int8_t *frozen, int8_t *y)
{
    for (int32_t o = 0; o < p->outputs; o++)
        y[o] = kg_requantize(accumulate(p, row, bias[o], weight, frozen, o), p->multiplier[o],
                             p->shift[o], p->output_zero_point);
}

#if KG_HAS_DSP
static void two_positions(const kg_pointwise_parameters *p, const int16_t *row,
                          const int32_t *bias, const int8_t *weight, const int8_t *frozen,
                          int8_t *y)
{
    const int32_t rest = p->channels - p->trained;
    int32_t o = 0;
    for (; o + 2 <= p->outputs; o += 2) {
        int32_t sums[4] = {bias[o], bias[o + 1], bias[o], bias[o + 1]};
        const int8_t *const w = weight + o * p->trained;
        kg_dot_2x2(row, row + p->channels, w, w + p->trained, p->trained, sums);
        if (rest != 0) {
            const int8_t *const f = frozen + o * rest;
            kg_dot_2x2(row + p->trained, row + p->channels + p->trained, f, f + rest, rest, sums);
        }
        for (int32_t c = 0; c < 2; c++) {
            const int32_t multiplier = p->multiplier[o + c], shift = p->shift[o + c];
            y[o + c] = kg_requantize(sums[c], multiplier, shift, p->output_zero_point);
            y[p->outputs + o + c] =
                kg_requantize(sums[2 + c], multiplier, shift, p->output_zero_point);
        }
    }
    if (o < p->outputs)
        for (int32_t r = 0; r < 2; r++)
            y[r * p->outputs + o] = kg_requantize(
                accumulate(p, row + r * p->channels, bias[o], weight, frozen, o),
                p->multiplier[o], p->shift[o], p->output_zero_point);
}
#endif

void kg_pointwise(const kg_pointwise_parameters *p, const int8_t *x, const int32_t *bias,
                  const int8_t *weight, const int8_t *frozen, int8_t *y, int16_t *scratch)
{
    int32_t position = 0;
#if KG_HAS_DSP
    for (; position + 2 <= p->positions; position += 2) {
        expand(p, x + position * p->channels, scratch);
        expand(p, x + (position + 1) * p->channels, scratch + p->channels);
        two_positions(p, scratch, bias, weight, frozen, y + position * p->outputs);
    }
#endif
    for (; position < p->positions; position++) {
        expand(p, x + position * p->channels, scratch);
        one_position(p, scratch, bias, weight, frozen, y + position * p->outputs);
    }
}
