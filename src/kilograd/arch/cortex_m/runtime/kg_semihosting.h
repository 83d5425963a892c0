/* A semihosting call: a breakpoint with a number of its own. */
#ifndef KG_SEMIHOSTING_H
#define KG_SEMIHOSTING_H

#include <stdint.h>

static inline uint32_t kg_semihosting_call(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

#endif
