#include "kg_lookup.h"

KG_LOOKUP_INPUT_GRADIENT(kg_lookup_input_gradient_plain)
{
    const int16_t *const slopes = p->slopes + KG_LOOKUP_OFFSET;
    const int32_t shift = kg_lookup_shift(p, gradient_exponent, result_exponent);
    const uint32_t key = kg_random_key(control, p->rng_stream);
    uint32_t seen = 0;
    for (int32_t i = 0; i < p->count; i++)
        result[i] = kg_gradient_element(gradient[i] * slopes[x[i]], shift,
                                        kg_random(key, (uint32_t)i), &seen);
    *magnitude = seen;
}
