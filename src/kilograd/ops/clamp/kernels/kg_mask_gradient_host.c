#include "kg_clamp.h"

#include "kg_lanes_host.h"

void kg_mask_gradient_host(const kg_mask_gradient_parameters *p, const int8_t *gradient,
                           const uint8_t *mask, int8_t *result)
{
    uint32_t passed = 0;
    int32_t i = 0;
    const kg_lanes place = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (; i + KG_LANES <= p->count; i += KG_LANES) {
        const int32_t bits = mask[i / 8] | mask[i / 8 + 1] << 8;
        const kg_lanes passes = (kg_lanes_of(bits) & (kg_lanes_of(1) << place)) != 0;
        kg_store_lanes(kg_load_lanes(gradient + i, KG_LANES) & passes, result + i, KG_LANES);
        passed += (uint32_t)__builtin_popcount((uint32_t)bits);
    }
    for (; i < p->count; i++)
        result[i] = kg_pass(gradient[i], mask[i / 8], i % 8, &passed);
    kg_counted.elements_masked += (uint32_t)p->count - passed;
}
