/* The names that the Arm run-time ABI gives to memcpy and memset; compilers may call either. */
#include <stdint.h>

#define KG_NO_BUILTINS
#include "string.h"

void __aeabi_memcpy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}
void __aeabi_memcpy4(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}
void __aeabi_memcpy8(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}
void __aeabi_memset(void *to, size_t bytes, int value)
{
    memset(to, value, bytes);
}
void __aeabi_memset4(void *to, size_t bytes, int value)
{
    memset(to, value, bytes);
}
void __aeabi_memset8(void *to, size_t bytes, int value)
{
    memset(to, value, bytes);
}
void __aeabi_memclr(void *to, size_t bytes)
{
    memset(to, 0, bytes);
}
void __aeabi_memclr4(void *to, size_t bytes)
{
    memset(to, 0, bytes);
}
void __aeabi_memclr8(void *to, size_t bytes)
{
    memset(to, 0, bytes);
}
