/* One position of a pointwise or dense layer in plain C. */
#ifndef KG_POINTWISE_DOT_H
#define KG_POINTWISE_DOT_H

#include "kg_dot.h"
#include "kg_pointwise.h"

/* The channels in their order, zero point taken off. */
static inline void kg_expand_position(const kg_pointwise_parameters *p, const int8_t *x,
                                      int16_t *to)
{
    if (p->order == NULL)
        kg_expand(x, p->channels, p->zero_point, to);
    else
        kg_expand_ordered(x, p->order, p->channels, p->zero_point, to);
}

/* The sum of one output. */
static inline int32_t kg_accumulate(const kg_pointwise_parameters *p, const int16_t *row, int32_t bias,
                                    const int8_t *weight, const int8_t *frozen, int32_t output)
{
    const int32_t rest = p->channels - p->trained;
    const int32_t sum = kg_dot(row, weight + output * p->trained, p->trained, bias);
    return rest == 0 ? sum : kg_dot(row + p->trained, frozen + output * rest, rest, sum);
}

#endif
