/* Armv7E-M DSP instructions. Words hold two int16 (a pair) or four int8. */
#ifndef KG_DSP_H
#define KG_DSP_H

#include <stdint.h>
#include <string.h>

/* For what runs rarely: small code before fast code. */
#if defined(__clang__)
#define KG_SMALL __attribute__((minsize, noinline))
#elif defined(__GNUC__)
#define KG_SMALL __attribute__((cold, noinline))
#else
#define KG_SMALL
#endif

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP && defined(__ARM_FEATURE_UNALIGNED)
#define KG_HAS_DSP 1
/* Plain C where there are DSP instructions serves only unusual shapes and scales. */
#define KG_FALLBACK KG_SMALL

/* For a function that is to be compiled anew for the constant arguments of each call. */
#define KG_INLINE inline __attribute__((always_inline))

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
#else
#define KG_HAS_DSP 0
#define KG_FALLBACK
#endif

#endif
