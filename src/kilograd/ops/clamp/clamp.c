#include "clamp.h"

static uint8_t inside(int8_t value)
{
    return (uint8_t)(value > -128 && value < 127);
}

void kg_clamp_mask(const kg_clamp_mask_parameters *p, const int8_t *y, uint8_t *mask)
{
    const int32_t whole = p->count / 8;
    for (int32_t i = 0; i < whole; i++) {
        uint32_t bits = 0;
        for (int32_t b = 0; b < 8; b++)
            bits |= (uint32_t)inside(y[8 * i + b]) << b;
        mask[i] = (uint8_t)bits;
    }
    if (p->count % 8 != 0) {
        uint32_t bits = 0;
        for (int32_t b = 0; b < p->count % 8; b++)
            bits |= (uint32_t)inside(y[8 * whole + b]) << b;
        mask[whole] = (uint8_t)bits;
    }
}

void kg_mask_gradient(const kg_mask_gradient_parameters *p, const int8_t *gradient,
                      const uint8_t *mask, int8_t *result)
{
    for (int32_t i = 0; i < p->count; i++)
        result[i] = (mask[i / 8] >> (i % 8)) & 1 ? gradient[i] : 0;
}
