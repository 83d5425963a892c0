#include "kg_dot.h"
#include "pointwise.h"

/* Gradients times their channel's weight scale, 16 bits. */
static void scale_channels(const kg_pointwise_input_gradient_parameters *p,
                           const int8_t *gradient, int16_t *scaled)
{
    const int32_t half = (INT32_C(1) << p->channel_shift) >> 1;
    for (int32_t o = 0; o < p->outputs; o++)
        scaled[o] = (int16_t)((gradient[o] * p->channel_mantissa[o] + half) >> p->channel_shift);
}

/* sums[i] = sum over outputs of scaled[o] * columns[o][i], for one or two rows of gradients. */
static void transposed_product(const int16_t *scaled, int32_t rows, int32_t outputs,
                               const int8_t *columns, int32_t count, int32_t *sums,
                               int32_t sums_stride)
{
    int32_t first = 0;
#if KG_HAS_DSP
    for (; rows == 2 && first + 4 <= count; first += 4) {
        int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
        const int8_t *w = columns + first;
        int32_t o = 0;
        for (; o + 2 <= outputs; o += 2) {
            const uint32_t top = kg_load32(w), bottom = kg_load32(w + count);
            w += 2 * count;
            const uint32_t top_even = kg_even_bytes(top), top_odd = kg_odd_bytes(top);
            const uint32_t bottom_even = kg_even_bytes(bottom), bottom_odd = kg_odd_bytes(bottom);
            const uint32_t ga = kg_load32(scaled + o), gb = kg_load32(scaled + outputs + o);
            uint32_t pair = kg_pack_bottom(top_even, bottom_even);
            a0 = kg_dual_multiply(pair, ga, a0);
            b0 = kg_dual_multiply(pair, gb, b0);
            pair = kg_pack_bottom(top_odd, bottom_odd);
            a1 = kg_dual_multiply(pair, ga, a1);
            b1 = kg_dual_multiply(pair, gb, b1);
            pair = kg_pack_top(top_even, bottom_even);
            a2 = kg_dual_multiply(pair, ga, a2);
            b2 = kg_dual_multiply(pair, gb, b2);
            pair = kg_pack_top(top_odd, bottom_odd);
            a3 = kg_dual_multiply(pair, ga, a3);
            b3 = kg_dual_multiply(pair, gb, b3);
        }
        if (o < outputs) {
            const int32_t ga = scaled[o], gb = scaled[outputs + o];
            a0 += ga * w[0], a1 += ga * w[1], a2 += ga * w[2], a3 += ga * w[3];
            b0 += gb * w[0], b1 += gb * w[1], b2 += gb * w[2], b3 += gb * w[3];
        }
        int32_t *const to = sums + first;
        to[0] = a0, to[1] = a1, to[2] = a2, to[3] = a3;
        to[sums_stride] = b0, to[sums_stride + 1] = b1;
        to[sums_stride + 2] = b2, to[sums_stride + 3] = b3;
    }
#endif
    if (first == count)
        return;
    for (int32_t r = 0; r < rows; r++) {
        int32_t *const to = sums + r * sums_stride;
        for (int32_t i = first; i < count; i++)
            to[i] = 0;
        for (int32_t o = 0; o < outputs; o++) {
            const int32_t g = scaled[r * outputs + o];
            const int8_t *const w = columns + o * count;
            for (int32_t i = first; i < count; i++)
                to[i] += g * w[i];
        }
    }
}

void kg_pointwise_input_gradient(const kg_pointwise_input_gradient_parameters *p,
                                 const kg_control *control, const int8_t *gradient,
                                 const int32_t *gradient_exponent, const int8_t *weight,
                                 const int8_t *frozen, const int32_t *result_exponent,
                                 int8_t *result, uint32_t *magnitude, int16_t *scratch)
{
    const int32_t shift = kg_whole_exponent(result_exponent) -
                          kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->stream);
    const int32_t rest = p->channels - p->trained;
    int32_t *const sums = (int32_t *)(void *)(scratch + 2 * p->outputs);
    uint32_t seen = 0;
    for (int32_t position = 0; position < p->positions; position += 2) {
        const int32_t rows = p->positions - position < 2 ? 1 : 2;
        for (int32_t r = 0; r < rows; r++)
            scale_channels(p, gradient + (position + r) * p->outputs, scratch + r * p->outputs);
        transposed_product(scratch, rows, p->outputs, weight, p->trained, sums, p->channels);
        if (rest != 0)
            transposed_product(scratch, rows, p->outputs, frozen, rest, sums + p->trained,
                               p->channels);
        for (int32_t r = 0; r < rows; r++) {
            const int32_t base = (position + r) * p->channels;
            for (int32_t i = 0; i < p->channels; i++) {
                const int32_t at = base + (p->order == NULL ? i : p->order[i]);
                result[at] = kg_gradient_element((int64_t)sums[r * p->channels + i] * p->mantissa,
                                                 shift, kg_random(key, (uint32_t)at), &seen);
            }
        }
    }
    *magnitude = seen;
}
