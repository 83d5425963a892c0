#include "kg_clamp.h"

void kg_mask_gradient_plain(const kg_mask_gradient_parameters *p, const int8_t *gradient,
                            const uint8_t *mask, int8_t *result)
{
    uint32_t passed = 0;
    int32_t i = 0;
    for (; i + 8 <= p->count; i += 8)
        for (int32_t b = 0; b < 8; b++)
            result[i + b] = kg_pass(gradient[i + b], mask[i / 8], b, &passed);
    for (; i < p->count; i++)
        result[i] = kg_pass(gradient[i], mask[i / 8], i % 8, &passed);
    kg_counted.elements_masked += (uint32_t)p->count - passed;
}
