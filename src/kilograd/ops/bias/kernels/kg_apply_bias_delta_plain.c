#include "kg_bias.h"

void kg_apply_bias_delta_plain(const kg_apply_bias_delta_parameters *p, const int32_t *base,
                               const int16_t *delta, int32_t *bias)
{
    for (int32_t c = 0; c < p->count; c++)
        bias[c] = (base == NULL ? 0 : base[c]) + delta[c];
}
