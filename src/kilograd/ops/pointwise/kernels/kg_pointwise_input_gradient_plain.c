#include "kg_effective.h"
#include "kg_pointwise.h"

/* sums[i] = sum over outputs of scaled[o] * columns[o][i] */
static void transposed_product(const int16_t *scaled, int32_t outputs, const int8_t *columns,
                               int32_t count, int32_t *sums)
{
    for (int32_t i = 0; i < count; i++)
        sums[i] = 0;
    int32_t o = 0;
    for (; !KG_PLAIN_IS_FALLBACK && o + 4 <= outputs; o += 4, columns += 4 * count)
        for (int32_t i = 0; i < count; i++)
            sums[i] += scaled[o] * columns[i] + scaled[o + 1] * columns[count + i] +
                       scaled[o + 2] * columns[2 * count + i] +
                       scaled[o + 3] * columns[3 * count + i];
    for (; o < outputs; o++, columns += count)
        for (int32_t i = 0; i < count; i++)
            sums[i] += scaled[o] * columns[i];
}

/* Trained columns first, first + 1, … of all outputs, moved by their deltas. */
static void move_columns(const kg_pointwise_input_gradient_parameters *p, const int8_t *weight,
                         const int8_t *delta, int32_t first, int32_t count, int8_t *effective)
{
    for (int32_t o = 0; o < p->outputs; o++)
        kg_effective_weights(weight + o * p->trained + first, delta + o * p->trained + first, count,
                             p->fraction_bits, effective + o * count);
}

void kg_pointwise_input_gradient_plain(const kg_pointwise_input_gradient_parameters *p,
                                       const kg_control *control, const int8_t *gradient,
                                       const int32_t *gradient_exponent, const int8_t *weight,
                                       const int8_t *frozen, const int8_t *delta,
                                       const int32_t *result_exponent, int8_t *result,
                                       uint32_t *magnitude, uint32_t *scratch)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t half = (INT32_C(1) << p->channel_shift) >> 1;
    int32_t *const sums = (int32_t *)scratch;
    int16_t *const scaled = (int16_t *)(void *)(scratch + p->channels);
    int8_t *const effective = (int8_t *)scratch + p->effective_offset;
    uint32_t seen = 0;
    int32_t count = 0;
    /* Slices of the trained channels, then the others. */
    for (int32_t first = 0; first < p->channels; first += count) {
        const int is_trained = first < p->trained;
        const int32_t left = (is_trained ? p->trained : p->channels) - first;
        count = is_trained && left > p->slice ? p->slice : left;
        const int8_t *columns = is_trained ? weight : frozen;
        if (is_trained && delta != NULL) {
            move_columns(p, weight, delta, first, count, effective);
            columns = effective;
        }
        const int8_t *g = gradient;
        for (int32_t base = 0; base < p->positions * p->channels; base += p->channels) {
            KG_YIELD_POINT();
            for (int32_t o = 0; o < p->outputs; o++)
                scaled[o] = (int16_t)((*g++ * p->channel_mantissa[o] + half) >> p->channel_shift);
            transposed_product(scaled, p->outputs, columns, count, sums);
            if (p->order == NULL) {
                const int32_t at = base + first;
                kg_gradient_elements(sums, count, p->mantissa, shift, key, (uint32_t)at,
                                     result + at, &seen);
                continue;
            }
            for (int32_t i = 0; i < count; i++) {
                const int32_t at = base + p->order[first + i];
                result[at] = kg_gradient_element((int64_t)sums[i] * p->mantissa, shift,
                                                 kg_random(key, (uint32_t)at), &seen);
            }
        }
    }
    *magnitude = seen;
}
