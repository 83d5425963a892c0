#include "kg_multiply.h"

#include "kg_round_dsp.h"

KG_MULTIPLY_INPUT_GRADIENT(kg_multiply_input_gradient_dsp)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int is_usual = shift >= 0 && shift <= 62;
    const kg_rounding rounding = kg_prepare_rounding(p->mantissa, kg_clamp(shift, 0, 62));
    uint32_t seen = 0, index = 0;
    for (int32_t repeat = 0; repeat < p->repeats; repeat++)
        for (int32_t i = 0; i < p->count; i++, index++) {
            const int32_t product = gradient[index] * (other[i] - p->zero_point);
            const uint32_t bits = kg_random(key, index);
            if (is_usual) /* a product has less than 16 bits */
                result[index] =
                    kg_saturate_gradient(kg_round_product(product * (1 << rounding.left),
                                                          rounding.factor, rounding.right, bits),
                                         &seen);
            else
                result[index] =
                    kg_gradient_element((int64_t)product * p->mantissa, shift, bits, &seen);
        }
    *magnitude = seen;
}
