#include "kg_multiply.h"

KG_MULTIPLY_FACTOR_GRADIENT(kg_multiply_factor_gradient_plain)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    uint32_t seen = 0;
    for (int32_t c = 0; c < p->channels; c++) {
        const int32_t sum = kg_sum_of_products(gradient + c, other + c, p);
        result[c] = kg_gradient_element((int64_t)sum * p->mantissa, shift,
                                        kg_random(key, (uint32_t)c), &seen);
        KG_YIELD_POINT();
    }
    *magnitude = seen;
}
