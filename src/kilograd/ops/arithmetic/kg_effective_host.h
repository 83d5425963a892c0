/* kg_effective_weight of many weights, sixteen at a time. */
#ifndef KG_EFFECTIVE_HOST_H
#define KG_EFFECTIVE_HOST_H

#include "kg_effective_weight.h"
#include "kg_lanes_host.h"

static inline void kg_effective_weights(const int8_t *base, const int8_t *delta, int32_t count,
                                        int32_t fraction_bits, int8_t *weight)
{
    const int32_t half = (INT32_C(1) << fraction_bits) >> 1;
    int32_t i = 0;
    for (; i + KG_LANES <= count; i += KG_LANES) {
        const kg_lanes moved = (kg_load_lanes(delta + i, KG_LANES) + half) >> fraction_bits;
        const kg_lanes sum = kg_load_lanes(base + i, KG_LANES) + moved;
        kg_store_lanes(kg_clamp_lanes(sum, -127, 127), weight + i, KG_LANES);
    }
    for (; i < count; i++)
        weight[i] = kg_effective_weight(base[i], delta[i], fraction_bits);
}

#endif
