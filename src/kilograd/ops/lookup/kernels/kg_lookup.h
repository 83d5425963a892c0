/* Functions of one number: results and slopes of each of the 256 inputs, in tables. */
#ifndef KG_LOOKUP_H
#define KG_LOOKUP_H

#include "kg_arithmetic.h"

/* The entry of an int8 number lies so much further than the number says. */
#define KG_LOOKUP_OFFSET 128

typedef struct {
    int32_t count;
    const int8_t *table; /* [256] */
} kg_lookup_parameters;

/* y may be x */
#define KG_LOOKUP(variant) void variant(const kg_lookup_parameters *p, const int8_t *x, int8_t *y)

KG_LOOKUP(kg_lookup_plain);
KG_LOOKUP(kg_lookup_dsp);

typedef struct {
    int32_t count;
    const int16_t *slopes; /* [256], in units of 2^exponent */
    int32_t exponent;
    int32_t rng_stream;
} kg_lookup_input_gradient_parameters;

/* result may be gradient */
#define KG_LOOKUP_INPUT_GRADIENT(variant)                                                          \
    void variant(const kg_lookup_input_gradient_parameters *p, const kg_control *control,          \
                 const int8_t *gradient, const int32_t *gradient_exponent, const int8_t *x,        \
                 const int32_t *result_exponent, int8_t *result, uint32_t *magnitude)

KG_LOOKUP_INPUT_GRADIENT(kg_lookup_input_gradient_plain);
KG_LOOKUP_INPUT_GRADIENT(kg_lookup_input_gradient_dsp);

static inline int32_t kg_lookup_shift(const kg_lookup_input_gradient_parameters *p,
                                      const int32_t *gradient_exponent,
                                      const int32_t *result_exponent)
{
    return kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
}

#endif
