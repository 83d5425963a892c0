#include "kg_clamp.h"

#include "kg_machine_dsp.h"

/* Bits of the bytes of a word that are inside: each byte is 0, or its byte of `bits`. */
static inline uint32_t select_inside(uint32_t word, uint32_t bits)
{
    uint32_t selected;
    /* 127 and -128 become 0 and 1. */
    __asm__("uadd8 %0, %1, %2\n"
            "usub8 %0, %0, %3\n"
            "sel %0, %4, %5\n"
            : "=&r"(selected)
            : "r"(word), "r"(0x81818181u), "r"(0x02020202u), "r"(bits), "r"(0)
            : "cc");
    return selected;
}

static inline uint8_t eight_inside(const int8_t *y)
{
    uint32_t bits =
        select_inside(kg_load32(y), 0x08040201u) | select_inside(kg_load32(y + 4), 0x80402010u);
    __asm__("usad8 %0, %1, %2" : "=r"(bits) : "r"(bits), "r"(0));
    return (uint8_t)bits;
}

void kg_clamp_mask_dsp(const kg_clamp_mask_parameters *p, const int8_t *y, uint8_t *mask)
{
    int32_t left = p->count;
    for (; left >= 8; left -= 8, y += 8)
        *mask++ = eight_inside(y);
    if (left > 0)
        *mask = kg_bits_inside(y, left);
}
