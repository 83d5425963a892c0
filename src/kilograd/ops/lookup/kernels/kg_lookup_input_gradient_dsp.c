#include "kg_lookup.h"

#include "kg_round_dsp.h"

/* Products are rounded as if they and their units were so many bits finer, which changes nothing:
   a rounding takes a factor from there on. */
#define FINER 14

KG_LOOKUP_INPUT_GRADIENT(kg_lookup_input_gradient_dsp)
{
    const int16_t *const slopes = p->slopes + KG_LOOKUP_OFFSET;
    const int32_t shift = kg_lookup_shift(p, gradient_exponent, result_exponent);
    const uint32_t key = kg_random_key(control, p->rng_stream);
    uint32_t seen = 0;
    int32_t i = 0;
    if (shift >= 0 && shift <= 62 - FINER) {
        const kg_rounding rounding = kg_prepare_rounding(1 << FINER, shift + FINER);
        for (; i < p->count; i++) {
            const int32_t product = gradient[i] * slopes[x[i]]; /* below 2^22 */
            result[i] = kg_saturate_gradient(kg_round_product(product * (1 << rounding.left),
                                                              rounding.factor, rounding.right,
                                                              kg_random(key, (uint32_t)i)),
                                             &seen);
        }
    }
    for (; i < p->count; i++)
        result[i] = kg_gradient_element(gradient[i] * slopes[x[i]], shift,
                                        kg_random(key, (uint32_t)i), &seen);
    *magnitude = seen;
}
