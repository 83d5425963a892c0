#include "clamp.h"

#include "kg_dsp.h"

static uint8_t inside(int8_t value)
{
    return (uint8_t)(value > -128 && value < 127);
}

#if KG_HAS_DSP
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
    uint32_t bits = select_inside(kg_load32(y), 0x08040201u) |
                    select_inside(kg_load32(y + 4), 0x80402010u);
    __asm__("usad8 %0, %1, %2" : "=r"(bits) : "r"(bits), "r"(0));
    return (uint8_t)bits;
}
#else
static inline uint8_t eight_inside(const int8_t *y)
{
    uint32_t bits = 0;
    for (int32_t b = 0; b < 8; b++)
        bits |= (uint32_t)inside(y[b]) << b;
    return (uint8_t)bits;
}
#endif

void kg_clamp_mask(const kg_clamp_mask_parameters *p, const int8_t *y, uint8_t *mask)
{
    int32_t left = p->count;
    for (; left >= 8; left -= 8, y += 8)
        *mask++ = eight_inside(y);
    if (left > 0) {
        uint32_t bits = 0;
        for (int32_t b = 0; b < left; b++)
            bits |= (uint32_t)inside(y[b]) << b;
        *mask = (uint8_t)bits;
    }
}

static int8_t pass(int8_t gradient, uint32_t mask, int32_t bit, uint32_t *passed)
{
    const uint32_t passes = (mask >> bit) & 1;
    *passed += passes;
    return passes ? gradient : 0;
}

void kg_mask_gradient(const kg_mask_gradient_parameters *p, const int8_t *gradient,
                      const uint8_t *mask, int8_t *result)
{
    uint32_t passed = 0;
    int32_t i = 0;
#if KG_HAS_DSP
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
        result[b] = pass(gradient[b], *mask, b, &passed);
#else
    for (; i + 8 <= p->count; i += 8)
        for (int32_t b = 0; b < 8; b++) {
            const int32_t passes = (mask[i / 8] >> b) & 1;
            result[i + b] = (int8_t)(gradient[i + b] & -passes);
            passed += (uint32_t)passes;
        }
    for (; i < p->count; i++)
        result[i] = pass(gradient[i], mask[i / 8], i % 8, &passed);
#endif
    kg_counted.elements_masked += (uint32_t)p->count - passed;
}
