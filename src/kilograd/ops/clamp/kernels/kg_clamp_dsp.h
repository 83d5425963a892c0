/* Clamp masks by DSP instructions. */
#ifndef KG_CLAMP_DSP_H
#define KG_CLAMP_DSP_H

#include "kg_machine_dsp.h"

/* Bits of the bytes of a word that are inside: each byte is 0, or its byte of `bits`.
 *
 * The bytes of `shift` make the upper bound 0, and with it those above and below become 0 up to
 * less than the bytes of `outside`. */
static inline uint32_t kg_select_inside(uint32_t word, uint32_t shift, uint32_t outside,
                                        uint32_t bits)
{
    uint32_t selected;
    __asm__("uadd8 %0, %1, %2\n"
            "usub8 %0, %0, %3\n"
            "sel %0, %4, %5\n"
            : "=&r"(selected)
            : "r"(word), "r"(shift), "r"(outside), "r"(bits), "r"(0)
            : "cc");
    return selected;
}

/* The bits of eight elements. */
static inline uint8_t kg_eight_inside(const int8_t *y, uint32_t shift, uint32_t outside)
{
    uint32_t bits = kg_select_inside(kg_load32(y), shift, outside, 0x08040201u) |
                    kg_select_inside(kg_load32(y + 4), shift, outside, 0x80402010u);
    __asm__("usad8 %0, %1, %2" : "=r"(bits) : "r"(bits), "r"(0));
    return (uint8_t)bits;
}

#endif
