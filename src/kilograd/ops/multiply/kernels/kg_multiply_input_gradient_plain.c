#include "kg_multiply.h"

KG_MULTIPLY_INPUT_GRADIENT(kg_multiply_input_gradient_plain)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    uint32_t seen = 0, index = 0;
    for (int32_t repeat = 0; repeat < p->repeats; repeat++)
        for (int32_t i = 0; i < p->count; i++, index++) {
            const int32_t product = gradient[index] * (other[i] - p->zero_point);
            result[index] = kg_gradient_element((int64_t)product * p->mantissa, shift,
                                                kg_random(key, index), &seen);
        }
    *magnitude = seen;
}
