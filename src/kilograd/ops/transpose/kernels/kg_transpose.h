/* Elements in another order of dimensions. */
#ifndef KG_TRANSPOSE_H
#define KG_TRANSPOSE_H

#include "kg_arithmetic.h"

#define KG_TRANSPOSE_DIMENSIONS 5

/* Of the result: its extents, and how far apart its elements lie in x along each. */
typedef struct {
    int32_t extent0, extent1, extent2, extent3, extent4;
    int32_t stride0, stride1, stride2, stride3, stride4;
} kg_transpose_parameters;

void kg_transpose_plain(const kg_transpose_parameters *p, const int8_t *x, int8_t *y);

#endif
