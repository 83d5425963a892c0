/* One position of a pointwise or dense layer in plain C. */
#ifndef KG_POINTWISE_DOT_H
#define KG_POINTWISE_DOT_H

#include "kg_dot.h"

/* The channels in their order, zero point taken off. */
static inline void kg_expand_position(const int8_t *x, const uint16_t *order, int32_t channels,
                                      int32_t zero_point, int16_t *to)
{
    if (order == NULL)
        kg_expand(x, channels, zero_point, to);
    else
        kg_expand_ordered(x, order, channels, zero_point, to);
}

/* The sum of one output, of weights that may be in two parts of so many columns. */
static inline int32_t kg_accumulate(const int16_t *row, int32_t bias, const int8_t *weight,
                                    int32_t trained, const int8_t *frozen, int32_t rest,
                                    int32_t output)
{
    const int32_t sum = kg_dot(row, weight + output * trained, trained, bias);
    return rest == 0 ? sum : kg_dot(row + trained, frozen + output * rest, rest, sum);
}

#endif
