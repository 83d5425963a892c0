#include "kg_delta.h"

void kg_apply_wide_delta_plain(const kg_apply_wide_delta_parameters *p, const int8_t *base,
                               const int16_t *delta, int8_t *weight)
{
    const int32_t half = (INT32_C(1) << p->fraction_bits) >> 1;
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t moved = (delta[i] + half) >> p->fraction_bits;
        weight[i] = (int8_t)kg_clamp(base == NULL ? moved : base[i] + moved, -127, 127);
    }
}
