/* kg_effective_weight of many weights. */
#ifndef KG_EFFECTIVE_PLAIN_H
#define KG_EFFECTIVE_PLAIN_H

#include "kg_effective_weight.h"

static inline void kg_effective_weights(const int8_t *base, const int8_t *delta, int32_t count,
                                        int32_t fraction_bits, int8_t *weight)
{
    for (int32_t i = 0; i < count; i++)
        weight[i] = kg_effective_weight(base[i], delta[i], fraction_bits);
}

#endif
