#include "kg_clamp.h"

void kg_clamp_mask_plain(const kg_clamp_mask_parameters *p, const int8_t *y, uint8_t *mask)
{
    int32_t left = p->count;
    for (; left >= 8; left -= 8, y += 8)
        *mask++ = kg_bits_between(y, 8, -128, 127);
    if (left > 0)
        *mask = kg_bits_between(y, left, -128, 127);
}
