/* What every 32-bit processor computes with; kg_machine.h is this file where nothing else fits. */
#ifndef KG_MACHINE_PLAIN_H
#define KG_MACHINE_PLAIN_H

#include <stdint.h>

#include "kg_compiler.h"

/* The plain kernels are the ones that run. */
#define KG_PLAIN_IS_FALLBACK 0
#define KG_FALLBACK

/* round(value * multiplier / 2^31), halves up; |value| < 2^30. */
static inline int32_t kg_doubling_high_multiply(int32_t value, int32_t multiplier)
{
    return (int32_t)(((int64_t)value * multiplier + (INT32_C(1) << 30)) >> 31);
}

/* floor((value * factor + bits * 2^right) / 2^(32 + right)); 0 <= right < 31. */
static inline int32_t kg_round_product(int32_t value, int32_t factor, int32_t right, uint32_t bits)
{
    return (int32_t)(((int64_t)value * factor + ((int64_t)bits << right)) >> (32 + right));
}

#endif
