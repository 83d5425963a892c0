/* A constant for each channel, added to a map [positions][channels]. */
#ifndef KG_OFFSET_H
#define KG_OFFSET_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t positions, channels;
    int32_t zero_point, multiplier, shift;
    int32_t output_multiplier, output_shift, output_zero_point;
    const int32_t *term; /* [channels] */
} kg_offset_parameters;

/* `y` may be `x`. */
void kg_offset_plain(const kg_offset_parameters *p, const int8_t *x, int8_t *y);

#endif
