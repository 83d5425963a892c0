#include "kg_gradient_scale.h"

void kg_adapt_exponent_plain(const kg_adapt_exponent_parameters *p, int32_t *exponent,
                             const uint32_t *magnitude)
{
    int32_t bits = 0;
    for (uint32_t rest = *magnitude; rest != 0; rest >>= 1)
        bits++;
    int32_t change = 0;
    kg_counted.gradients++;
    kg_counted.gradients_vanished += bits == 0;
    if (bits > 7) {
        kg_counted.gradients_saturated++;
        change = 4 + 16 * (bits - 8);
    } else if (bits != 0 && bits != 7) {
        change = bits >= 4 ? -1 : -16;
    }
    *exponent = kg_clamp(*exponent + change, -p->limit, p->limit);
}
