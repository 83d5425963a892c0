#include "kg_delta.h"

#include "kg_effective.h"

void kg_apply_delta_plain(const kg_apply_delta_parameters *p, const int8_t *base,
                          const int8_t *delta, int8_t *weight)
{
    kg_effective_weights(base, delta, p->count, p->fraction_bits, weight);
}
