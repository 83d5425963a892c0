/* Elementwise addition of two quantized activations. */
#ifndef KG_ADD_H
#define KG_ADD_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t count;
    int32_t a_zero_point, a_multiplier, a_shift;
    int32_t b_zero_point, b_multiplier, b_shift;
    int32_t output_multiplier, output_shift, output_zero_point;
} kg_add_parameters;

/* `y` may be `a` or `b`. */
#define KG_ADD(variant)                                                                            \
    void variant(const kg_add_parameters *p, const int8_t *a, const int8_t *b, int8_t *y)

KG_ADD(kg_add_plain);
KG_ADD(kg_add_dsp);

#endif
