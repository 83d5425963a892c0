/* Global average pooling and its gradient. */
#ifndef KG_POOL_H
#define KG_POOL_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t positions, channels;
} kg_average_pool_parameters;

void kg_average_pool_plain(const kg_average_pool_parameters *p, const int8_t *x, int8_t *y);

typedef struct {
    int32_t positions, channels;
    int32_t mantissa, exponent; /* 1 / positions */
    int32_t rng_stream;
} kg_average_pool_input_gradient_parameters;

#define KG_AVERAGE_POOL_INPUT_GRADIENT(variant)                                                    \
    void variant(const kg_average_pool_input_gradient_parameters *p, const kg_control *control,    \
                 const int8_t *gradient, const int32_t *gradient_exponent,                         \
                 const int32_t *result_exponent, int8_t *result, uint32_t *magnitude)

KG_AVERAGE_POOL_INPUT_GRADIENT(kg_average_pool_input_gradient_plain);
KG_AVERAGE_POOL_INPUT_GRADIENT(kg_average_pool_input_gradient_dsp);

#endif
