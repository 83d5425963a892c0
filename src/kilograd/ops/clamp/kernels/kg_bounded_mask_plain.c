#include "kg_clamp.h"

void kg_bounded_mask_plain(const kg_bounded_mask_parameters *p, const int8_t *y, uint8_t *mask)
{
    for (int32_t left = p->count; left > 0; left -= 8) {
        uint32_t bits = 0;
        for (int32_t b = 0; b < 8 && b < left; b++, y++)
            bits |= (uint32_t)(*y > p->low && *y < p->high) << b;
        *mask++ = (uint8_t)bits;
    }
}
