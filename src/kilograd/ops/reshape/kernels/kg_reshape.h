/* The same elements in another shape. */
#ifndef KG_RESHAPE_H
#define KG_RESHAPE_H

#include <stdint.h>

typedef struct {
    int32_t count;
} kg_reshape_parameters;

/* y may be x */
void kg_reshape_plain(const kg_reshape_parameters *p, const int8_t *x, int8_t *y);

#endif
