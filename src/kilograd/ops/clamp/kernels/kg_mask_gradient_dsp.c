#include "kg_clamp.h"

#include "kg_machine_dsp.h"

void kg_mask_gradient_dsp(const kg_mask_gradient_parameters *p, const int8_t *gradient,
                          const uint8_t *mask, int8_t *result)
{
    uint32_t passed = 0;
    int32_t i = 0;
    for (; i + 8 <= p->count; i += 8, gradient += 8, result += 8) {
        const uint32_t bits = *mask++;
        /* Bits 0 to 3 to the lowest of each byte, then to all of it. */
        const uint32_t low = ((bits & 15) * 0x00204081u) & 0x01010101u;
        const uint32_t high = ((bits >> 4) * 0x00204081u) & 0x01010101u;
        const uint32_t first = kg_load32(gradient), second = kg_load32(gradient + 4);
        kg_store32(result, first & ((low << 8) - low));
        kg_store32(result + 4, second & ((high << 8) - high));
        passed += ((low + high) * 0x01010101u) >> 24;
    }
    for (int32_t b = 0; i + b < p->count; b++)
        result[b] = kg_pass(gradient[b], *mask, b, &passed);
    kg_counted.elements_masked += (uint32_t)p->count - passed;
}
