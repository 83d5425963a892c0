#include "kg_clamp.h"

void kg_bounded_mask_plain(const kg_bounded_mask_parameters *p, const int8_t *y, uint8_t *mask)
{
    int32_t left = p->count;
    for (; left >= 8; left -= 8, y += 8)
        *mask++ = kg_bits_between(y, 8, p->low, p->high);
    if (left > 0)
        *mask = kg_bits_between(y, left, p->low, p->high);
}
