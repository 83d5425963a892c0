#include "kg_pool.h"

#include "kg_round_dsp.h"

KG_SMALL
void kg_average_pool_input_gradient_dsp(const kg_average_pool_input_gradient_parameters *p,
                                        const kg_control *control, const int8_t *gradient,
                                        const int32_t *gradient_exponent,
                                        const int32_t *result_exponent, int8_t *result,
                                        uint32_t *magnitude)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    uint32_t seen = 0, index = 0;
    if (shift >= 0 && shift <= 62) {
        const kg_rounding rounding = kg_prepare_rounding(p->mantissa, shift);
        for (int32_t position = 0; position < p->positions; position++)
            for (int32_t c = 0; c < p->channels; c++, index++) {
                const int32_t shifted = gradient[c] * (INT32_C(1) << rounding.left);
                result[index] =
                    kg_saturate_gradient(kg_round_product(shifted, rounding.factor, rounding.right,
                                                          kg_random(key, index)),
                                         &seen);
            }
        *magnitude = seen;
        return;
    }
    for (int32_t position = 0; position < p->positions; position++)
        for (int32_t c = 0; c < p->channels; c++, index++)
            result[index] = kg_gradient_element((int64_t)gradient[c] * p->mantissa, shift,
                                                kg_random(key, index), &seen);
    *magnitude = seen;
}
