/* Dot products of int16 activations (zero point taken off) with int8 weights. */
#ifndef KG_DOT_H
#define KG_DOT_H

#include <stdint.h>

/* to[i] = x[i] - zero_point */
static inline void kg_expand(const int8_t *x, int32_t count, int32_t zero_point, int16_t *to)
{
    for (int32_t i = 0; i < count; i++)
        to[i] = (int16_t)(x[i] - zero_point);
}

/* The same for x[order[i]]. */
static inline void kg_expand_ordered(const int8_t *x, const uint16_t *order, int32_t count,
                                     int32_t zero_point, int16_t *to)
{
    for (int32_t i = 0; i < count; i++)
        to[i] = (int16_t)(x[order[i]] - zero_point);
}

static inline int32_t kg_dot(const int16_t *a, const int8_t *w, int32_t count, int32_t sum)
{
    for (int32_t i = 0; i < count; i++)
        sum += a[i] * w[i];
    return sum;
}

#endif
