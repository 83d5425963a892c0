/* The two functions of the C library that generated code may use on a device. */
#ifndef KG_STRING_H
#define KG_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

/* Freestanding compilers treat these names as any other function; by way of the builtins a copy of
 * four bytes becomes one load again. */
#ifndef KG_NO_BUILTINS
#define memcpy(to, from, bytes) __builtin_memcpy(to, from, bytes)
#define memset(to, value, bytes) __builtin_memset(to, value, bytes)
#endif

#endif
