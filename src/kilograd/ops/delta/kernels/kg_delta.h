/* Trained weights: what they were before, in flash, and how far they have moved, in SRAM. */
#ifndef KG_DELTA_H
#define KG_DELTA_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t count;
    int32_t fraction_bits; /* of a delta, below one step of the weight; at least 1 */
} kg_apply_delta_parameters;

/* weight = base + delta / 2^fraction_bits, halves up, saturated to +-127 */
void kg_apply_delta_plain(const kg_apply_delta_parameters *p, const int8_t *base,
                          const int8_t *delta, int8_t *weight);

/* The same of a delta of 16 bits; base may be NULL, which is zero. */
typedef kg_apply_delta_parameters kg_apply_wide_delta_parameters;
void kg_apply_wide_delta_plain(const kg_apply_wide_delta_parameters *p, const int8_t *base,
                               const int16_t *delta, int8_t *weight);

#endif
