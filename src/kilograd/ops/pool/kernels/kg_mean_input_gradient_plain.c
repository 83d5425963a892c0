#include "kg_pool.h"

KG_SMALL
void kg_mean_input_gradient_plain(const kg_mean_input_gradient_parameters *p,
                                  const kg_control *control, const int8_t *gradient,
                                  const int32_t *gradient_exponent, const int32_t *result_exponent,
                                  int8_t *result, uint32_t *magnitude)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    uint32_t seen = 0, index = 0;
    for (int32_t block = 0; block < p->blocks; block++, gradient += p->channels)
        for (int32_t position = 0; position < p->positions; position++)
            for (int32_t c = 0; c < p->channels; c++, index++)
                result[index] = kg_gradient_element((int64_t)gradient[c] * p->mantissa, shift,
                                                    kg_random(key, index), &seen);
    *magnitude = seen;
}
