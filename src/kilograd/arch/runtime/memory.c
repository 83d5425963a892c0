/* memcpy and memset: whole words where both ends are aligned, bytes elsewhere. */
#include <stdint.h>

#define KG_NO_BUILTINS
#include "string.h"

/* The compiler may recognise the loops below as memcpy and memset, and call them from themselves.
 * An assembly statement it cannot see through forbids that in every compiler. */
#define KEEP_LOOP(pointer) __asm__ volatile("" : "+r"(pointer))

typedef uint32_t __attribute__((may_alias)) word;

static int is_aligned(const void *pointer)
{
    return ((uintptr_t)pointer & 3u) == 0;
}

__attribute__((noinline, used)) void *memcpy(void *restrict to, const void *restrict from,
                                             size_t bytes)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if (is_aligned(t) && is_aligned(f)) {
        for (; bytes >= 4; bytes -= 4, t += 4, f += 4) {
            *(word *)(void *)t = *(const word *)(const void *)f;
            KEEP_LOOP(t);
        }
    }
    for (; bytes > 0; bytes--) {
        *t++ = *f++;
        KEEP_LOOP(t);
    }
    return to;
}

__attribute__((noinline, used)) void *memset(void *to, int value, size_t bytes)
{
    uint8_t *t = to;
    const uint8_t byte = (uint8_t)value;
    const uint32_t four = byte * 0x01010101u;
    if (is_aligned(t)) {
        for (; bytes >= 4; bytes -= 4, t += 4) {
            *(word *)(void *)t = four;
            KEEP_LOOP(t);
        }
    }
    for (; bytes > 0; bytes--) {
        *t++ = byte;
        KEEP_LOOP(t);
    }
    return to;
}
