/* A change of scale and zero point. */
#ifndef KG_REQUANTIZE_H
#define KG_REQUANTIZE_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t count;
    int32_t zero_point, multiplier, shift; /* of input scale / output scale */
    int32_t output_zero_point;
} kg_requantize_map_parameters;

/* y may be x */
void kg_requantize_map_plain(const kg_requantize_map_parameters *p, const int8_t *x, int8_t *y);

#endif
