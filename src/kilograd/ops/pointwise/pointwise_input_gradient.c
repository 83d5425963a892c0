#include "kg_dsp.h"
#include "pointwise.h"

/* sums[i] = sum over outputs of scaled[o] * columns[o][i] */
static void transposed_product(const int16_t *scaled, int32_t outputs, const int8_t *columns,
                               int32_t count, int32_t *sums)
{
    for (int32_t i = 0; i < count; i++)
        sums[i] = 0;
    int32_t o = 0;
#if !KG_HAS_DSP
    for (; o + 4 <= outputs; o += 4, columns += 4 * count)
        for (int32_t i = 0; i < count; i++)
            sums[i] += scaled[o] * columns[i] + scaled[o + 1] * columns[count + i] +
                       scaled[o + 2] * columns[2 * count + i] +
                       scaled[o + 3] * columns[3 * count + i];
#endif
    for (; o < outputs; o++, columns += count)
        for (int32_t i = 0; i < count; i++)
            sums[i] += scaled[o] * columns[i];
}

void kg_pointwise_input_gradient_plain(const kg_pointwise_input_gradient_parameters *p,
                                       const kg_control *control, const int8_t *gradient,
                                       const int32_t *gradient_exponent, const int8_t *weight,
                                       const int8_t *frozen, const int32_t *result_exponent,
                                       int8_t *result, uint32_t *magnitude, uint32_t *scratch)
{
    const int32_t shift = kg_whole_exponent(result_exponent) -
                          kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->stream);
    const int32_t half = (INT32_C(1) << p->channel_shift) >> 1;
    const int32_t rest = p->channels - p->trained;
    int32_t *const sums = (int32_t *)scratch;
    int16_t *const scaled = (int16_t *)(void *)(scratch + p->channels);
    uint32_t seen = 0;
    for (int32_t base = 0; base < p->positions * p->channels; base += p->channels) {
        for (int32_t o = 0; o < p->outputs; o++)
            scaled[o] = (int16_t)((*gradient++ * p->channel_mantissa[o] + half) >>
                                  p->channel_shift);
        transposed_product(scaled, p->outputs, weight, p->trained, sums);
        if (rest != 0)
            transposed_product(scaled, p->outputs, frozen, rest, sums + p->trained);
        if (p->order == NULL) {
            kg_gradient_elements(sums, p->channels, p->mantissa, shift, key, (uint32_t)base,
                                 result + base, &seen);
            continue;
        }
        for (int32_t i = 0; i < p->channels; i++) {
            const int32_t at = base + p->order[i];
            result[at] = kg_gradient_element((int64_t)sums[i] * p->mantissa, shift,
                                             kg_random(key, (uint32_t)at), &seen);
        }
    }
    *magnitude = seen;
}

#if !KG_HAS_DSP
void kg_pointwise_input_gradient(const kg_pointwise_input_gradient_parameters *p,
                                 const kg_control *control, const int8_t *gradient,
                                 const int32_t *gradient_exponent, const int8_t *weight,
                                 const int8_t *frozen, const int32_t *result_exponent,
                                 int8_t *result, uint32_t *magnitude, uint32_t *scratch)
{
    kg_pointwise_input_gradient_plain(p, control, gradient, gradient_exponent, weight, frozen,
                                      result_exponent, result, magnitude, scratch);
}
#endif
