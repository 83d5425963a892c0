/* Armv7E-M DSP instructions. Words hold two int16 (a pair) or four int8. */
#ifndef KG_MACHINE_DSP_H
#define KG_MACHINE_DSP_H

#include <stdint.h>
#include <string.h>

#include "kg_compiler.h"

#if defined(__arm__) && !defined(__thumb__)
#error "These kernels are Thumb code: compile with -mthumb, or the model for the target portable."
#endif
#if !defined(__ARM_FEATURE_DSP) || !defined(__ARM_FEATURE_UNALIGNED)
#error "These kernels need DSP instructions and unaligned access: compile the model for this core."
#endif

/* Plain kernels serve only unusual shapes and scales. */
#define KG_PLAIN_IS_FALLBACK 1
#define KG_FALLBACK KG_SMALL

/* round(value * multiplier / 2^31), halves up; |value| < 2^30. */
static inline int32_t kg_doubling_high_multiply(int32_t value, int32_t multiplier)
{
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(value * 2), "r"(multiplier));
    return high;
}

/* floor((value * factor + bits * 2^right) / 2^(32 + right)), of bits whose lowest `right` are
   taken for zero; 0 <= right < 31. */
static inline int32_t kg_round_product(int32_t value, int32_t factor, int32_t right, uint32_t bits)
{
    uint32_t low;
    int32_t high;
    __asm__("lsl %0, %4, %5\n"
            "lsr %1, %4, %6\n"
            "smlal %0, %1, %2, %3\n"
            "asr %1, %1, %5\n"
            : "=&r"(low), "=&r"(high)
            : "r"(value), "r"(factor), "r"(bits), "r"(right), "r"(32 - right));
    return high;
}

static inline uint32_t kg_load32(const void *from)
{
    uint32_t word;
    memcpy(&word, from, 4);
    return word;
}

static inline void kg_store32(void *to, uint32_t word)
{
    memcpy(to, &word, 4);
}

/* pair + bytes 0 and 2 of a word. */
static inline uint32_t kg_add_even_bytes(uint32_t pair, uint32_t word)
{
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2" : "=r"(sum) : "r"(pair), "r"(word));
    return sum;
}

/* pair + bytes 1 and 3 of a word. */
static inline uint32_t kg_add_odd_bytes(uint32_t pair, uint32_t word)
{
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sum) : "r"(pair), "r"(word));
    return sum;
}

static inline uint32_t kg_even_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

static inline uint32_t kg_odd_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

/* Bottom halves of two words. */
static inline uint32_t kg_pack_bottom(uint32_t low, uint32_t high)
{
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(low), "r"(high));
    return pair;
}

/* Top halves of two words. */
static inline uint32_t kg_pack_top(uint32_t low, uint32_t high)
{
    uint32_t pair;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(high), "r"(low));
    return pair;
}

static inline int32_t kg_dual_multiply(uint32_t pair, uint32_t other, int32_t sum)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(pair), "r"(other));
    return sum;
}

/* Both halves of a word. */
static inline uint32_t kg_repeat(int32_t value)
{
    return ((uint32_t)value & 0xffffu) * 0x10001u;
}

/* One to three bytes, the others zero. */
static inline uint32_t kg_load_part(const int8_t *from, int32_t count)
{
    uint32_t word = (uint8_t)from[0];
    if (count > 1)
        word |= (uint32_t)(uint8_t)from[1] << 8;
    if (count > 2)
        word |= (uint32_t)(uint8_t)from[2] << 16;
    return word;
}
#endif
