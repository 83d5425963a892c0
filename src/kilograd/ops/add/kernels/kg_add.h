/* Elementwise addition and subtraction of two quantized activations. */
#ifndef KG_ADD_H
#define KG_ADD_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t count;
    int32_t a_zero_point, a_multiplier, a_shift;
    int32_t b_zero_point, b_multiplier, b_shift;
    int32_t output_multiplier, output_shift, output_zero_point;
} kg_add_parameters;

typedef kg_add_parameters kg_subtract_parameters;

typedef struct {
    int32_t count;
} kg_negate_parameters;

/* `y` may be `a` or `b`. */
#define KG_ADD(variant)                                                                            \
    void variant(const kg_add_parameters *p, const int8_t *a, const int8_t *b, int8_t *y)

#define KG_SUBTRACT(variant) KG_ADD(variant)

/* `y` may be `x`. */
#define KG_NEGATE(variant) void variant(const kg_negate_parameters *p, const int8_t *x, int8_t *y)

KG_ADD(kg_add_plain);
KG_ADD(kg_add_dsp);
KG_SUBTRACT(kg_subtract_plain);
KG_NEGATE(kg_negate_plain);

/* An element less its zero point, in the unit that both inputs share, 2^-20 of twice the larger
   scale. */
static inline int32_t kg_rescale(int32_t element, int32_t zero_point, int32_t multiplier,
                                 int32_t shift)
{
    return kg_multiply_by_quantized_multiplier((element - zero_point) * (INT32_C(1) << 20),
                                               multiplier, shift);
}

#endif
