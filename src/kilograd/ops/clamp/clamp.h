/* Clamp masks, one bit an element from the least significant bit up. */
#ifndef KG_CLAMP_H
#define KG_CLAMP_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t count;
} kg_clamp_mask_parameters;

void kg_clamp_mask(const kg_clamp_mask_parameters *p, const int8_t *y, uint8_t *mask);

typedef kg_clamp_mask_parameters kg_mask_gradient_parameters;

/* `result` may be `gradient`. */
void kg_mask_gradient(const kg_mask_gradient_parameters *p, const int8_t *gradient,
                      const uint8_t *mask, int8_t *result);

#endif
