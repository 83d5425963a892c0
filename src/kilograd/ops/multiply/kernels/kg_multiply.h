/* Products of two maps, or of a map and one factor for each of its channels, and their gradients.
 */
#ifndef KG_MULTIPLY_H
#define KG_MULTIPLY_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t repeats, count; /* a is [repeats][count], b is [count] */
    int32_t a_zero_point, b_zero_point;
    int32_t multiplier, shift; /* of a's scale * b's scale / output scale */
    int32_t output_zero_point;
} kg_multiply_parameters;

/* y may be a, or b where it is read once. */
#define KG_MULTIPLY(variant)                                                                       \
    void variant(const kg_multiply_parameters *p, const int8_t *a, const int8_t *b, int8_t *y)

KG_MULTIPLY(kg_multiply_plain);
KG_MULTIPLY(kg_multiply_dsp);

typedef struct {
    int32_t repeats, count; /* the gradient is [repeats][count], the other input [count] */
    int32_t zero_point;
    int32_t mantissa, exponent; /* the other input's scale */
    int32_t rng_stream;
} kg_multiply_input_gradient_parameters;

/* result may be gradient */
#define KG_MULTIPLY_INPUT_GRADIENT(variant)                                                        \
    void variant(const kg_multiply_input_gradient_parameters *p, const kg_control *control,        \
                 const int8_t *gradient, const int32_t *gradient_exponent, const int8_t *other,    \
                 const int32_t *result_exponent, int8_t *result, uint32_t *magnitude)

KG_MULTIPLY_INPUT_GRADIENT(kg_multiply_input_gradient_plain);
KG_MULTIPLY_INPUT_GRADIENT(kg_multiply_input_gradient_dsp);

typedef struct {
    int32_t positions, channels;
    int32_t zero_point;
    int32_t mantissa, exponent; /* the map's scale */
    int32_t rng_stream;
} kg_multiply_factor_gradient_parameters;

/* result[c] is the sum over positions, which stays below 2^30 */
#define KG_MULTIPLY_FACTOR_GRADIENT(variant)                                                       \
    void variant(const kg_multiply_factor_gradient_parameters *p, const kg_control *control,       \
                 const int8_t *gradient, const int32_t *gradient_exponent, const int8_t *other,    \
                 const int32_t *result_exponent, int8_t *result, uint32_t *magnitude)

KG_MULTIPLY_FACTOR_GRADIENT(kg_multiply_factor_gradient_plain);
KG_MULTIPLY_FACTOR_GRADIENT(kg_multiply_factor_gradient_dsp);

/* The sum of one channel, of positions that are `channels` apart. */
static inline int32_t kg_sum_of_products(const int8_t *gradient, const int8_t *other,
                                         const kg_multiply_factor_gradient_parameters *p)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < p->positions; i++)
        sum += gradient[i * p->channels] * (other[i * p->channels] - p->zero_point);
    return sum;
}

#endif
