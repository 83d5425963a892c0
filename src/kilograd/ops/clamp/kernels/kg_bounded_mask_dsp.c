#include "kg_clamp.h"

#include "kg_clamp_dsp.h"

void kg_bounded_mask_dsp(const kg_bounded_mask_parameters *p, const int8_t *y, uint8_t *mask)
{
    const uint32_t each = 0x01010101u;
    const uint32_t shift = ((uint32_t)-p->high & 255) * each;
    const uint32_t outside = (uint32_t)(p->low - p->high + 257) * each;
    int32_t left = p->count;
    for (; left >= 8; left -= 8, y += 8)
        *mask++ = kg_eight_inside(y, shift, outside);
    if (left > 0)
        *mask = kg_bits_between(y, left, p->low, p->high);
}
