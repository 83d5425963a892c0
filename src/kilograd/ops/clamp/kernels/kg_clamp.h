/* Clamp masks, one bit an element from the least significant bit up. */
#ifndef KG_CLAMP_H
#define KG_CLAMP_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t count;
} kg_clamp_mask_parameters;

#define KG_CLAMP_MASK(variant)                                                                     \
    void variant(const kg_clamp_mask_parameters *p, const int8_t *y, uint8_t *mask)

KG_CLAMP_MASK(kg_clamp_mask_plain);
KG_CLAMP_MASK(kg_clamp_mask_dsp);

/* `high` is at least `low` + 2. */
typedef struct {
    int32_t count, low, high;
} kg_bounded_mask_parameters;

#define KG_BOUNDED_MASK(variant)                                                                   \
    void variant(const kg_bounded_mask_parameters *p, const int8_t *y, uint8_t *mask)

KG_BOUNDED_MASK(kg_bounded_mask_plain);
KG_BOUNDED_MASK(kg_bounded_mask_dsp);

typedef kg_clamp_mask_parameters kg_mask_gradient_parameters;

/* `result` may be `gradient`. */
#define KG_MASK_GRADIENT(variant)                                                                  \
    void variant(const kg_mask_gradient_parameters *p, const int8_t *gradient,                     \
                 const uint8_t *mask, int8_t *result)

KG_MASK_GRADIENT(kg_mask_gradient_plain);
KG_MASK_GRADIENT(kg_mask_gradient_dsp);
KG_MASK_GRADIENT(kg_mask_gradient_host);

/* The bits of up to eight elements that lie between two bounds. */
static inline uint8_t kg_bits_between(const int8_t *y, int32_t count, int32_t low, int32_t high)
{
    uint32_t bits = 0;
    for (int32_t b = 0; b < count; b++)
        bits |= (uint32_t)(y[b] > low && y[b] < high) << b;
    return (uint8_t)bits;
}

/* A gradient whose bit of the mask is set, or zero; counts the bits. */
static inline int8_t kg_pass(int8_t gradient, uint32_t mask, int32_t bit, uint32_t *passed)
{
    const uint32_t passes = (mask >> bit) & 1;
    *passed += passes;
    return (int8_t)(gradient & -(int32_t)passes);
}

#endif
