#include "kg_bias.h"

void kg_apply_bias_delta_plain(const kg_apply_bias_delta_parameters *p, const void *base,
                               const int16_t *delta, int32_t *bias)
{
    for (int32_t c = 0; c < p->count; c++)
        bias[c] = kg_bias_base(base, p->wide_base, c) + delta[c];
}
