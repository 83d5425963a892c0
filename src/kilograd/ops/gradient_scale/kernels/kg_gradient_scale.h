/* Gradient tensors: sums at fan-outs, adaptation of exponents. */
#ifndef KG_GRADIENT_SCALE_H
#define KG_GRADIENT_SCALE_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t count;
    int32_t rng_stream;
} kg_gradient_sum_parameters;

/* Most bits that one branch is shifted by onto the exponent of the other. */
#define KG_ALIGNMENT_LIMIT 24

/* `result` may be `a` or `b`. */
#define KG_GRADIENT_SUM(variant)                                                                   \
    void variant(const kg_gradient_sum_parameters *p, const kg_control *control, const int8_t *a,  \
                 const int32_t *a_exponent, const int8_t *b, const int32_t *b_exponent,            \
                 const int32_t *result_exponent, int8_t *result, uint32_t *magnitude)

KG_GRADIENT_SUM(kg_gradient_sum_plain);
KG_GRADIENT_SUM(kg_gradient_sum_dsp);
KG_GRADIENT_SUM(kg_gradient_sum_host);

typedef struct {
    int32_t limit;
} kg_adapt_exponent_parameters;

void kg_adapt_exponent_plain(const kg_adapt_exponent_parameters *p, int32_t *exponent,
                             const uint32_t *magnitude);

#endif
