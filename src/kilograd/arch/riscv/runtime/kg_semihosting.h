/* A semihosting call: a breakpoint between two instructions that do nothing. */
#ifndef KG_SEMIHOSTING_H
#define KG_SEMIHOSTING_H

#include <stdint.h>

static inline uint32_t kg_semihosting_call(uint32_t operation, const void *arguments)
{
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = arguments;
    /* Uncompressed, and on one page. */
    __asm__ volatile(".balign 16\n"
                     ".option push\n"
                     ".option norvc\n"
                     "slli x0, x0, 0x1f\n"
                     "ebreak\n"
                     "srai x0, x0, 7\n"
                     ".option pop\n"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

#endif
