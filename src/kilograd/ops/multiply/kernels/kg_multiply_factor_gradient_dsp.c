#include "kg_multiply.h"

/* Products of the bottom and of the top halves. */
static inline int32_t bottoms(uint32_t a, uint32_t b)
{
    return (int16_t)a * (int16_t)b;
}

static inline int32_t tops(uint32_t a, uint32_t b)
{
    return ((int32_t)a >> 16) * ((int32_t)b >> 16);
}

/* The sums of four channels. */
static void sum_four(const kg_multiply_factor_gradient_parameters *p, const int8_t *gradient,
                     const int8_t *other, int32_t sums[4])
{
    const uint32_t zero = kg_repeat(-p->zero_point);
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int32_t left = p->positions; left > 0;
         left--, gradient += p->channels, other += p->channels) {
        const uint32_t g = kg_load32(gradient), x = kg_load32(other);
        const uint32_t even_g = kg_even_bytes(g), odd_g = kg_odd_bytes(g);
        const uint32_t even_x = kg_add_even_bytes(zero, x), odd_x = kg_add_odd_bytes(zero, x);
        s0 += bottoms(even_g, even_x);
        s1 += bottoms(odd_g, odd_x);
        s2 += tops(even_g, even_x);
        s3 += tops(odd_g, odd_x);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

KG_MULTIPLY_FACTOR_GRADIENT(kg_multiply_factor_gradient_dsp)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    uint32_t seen = 0;
    for (int32_t c = 0; c < p->channels; c += 4) {
        int32_t sums[4];
        const int32_t count = p->channels - c < 4 ? p->channels - c : 4;
        if (count == 4)
            sum_four(p, gradient + c, other + c, sums);
        else
            for (int32_t k = 0; k < count; k++)
                sums[k] = kg_sum_of_products(gradient + c + k, other + c + k, p);
        for (int32_t k = 0; k < count; k++)
            result[c + k] = kg_gradient_element((int64_t)sums[k] * p->mantissa, shift,
                                                kg_random(key, (uint32_t)(c + k)), &seen);
        KG_YIELD_POINT();
    }
    *magnitude = seen;
}
