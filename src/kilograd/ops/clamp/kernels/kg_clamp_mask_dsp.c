#include "kg_clamp.h"

#include "kg_clamp_dsp.h"

void kg_clamp_mask_dsp(const kg_clamp_mask_parameters *p, const int8_t *y, uint8_t *mask)
{
    int32_t left = p->count;
    /* 127 and -128 become 0 and 1. */
    for (; left >= 8; left -= 8, y += 8)
        *mask++ = kg_eight_inside(y, 0x81818181u, 0x02020202u);
    if (left > 0)
        *mask = kg_bits_between(y, left, -128, 127);
}
