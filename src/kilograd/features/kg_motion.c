#include "kg_motion.h"

#include "kg_motion_tables.h"

void kg_motion_push(const int16_t *counts, int8_t *row)
{
    for (int32_t channel = 0; channel < KG_MOTION_CHANNELS; channel++) {
        const int64_t product = (int64_t)counts[channel] * multiplier_table[channel];
        const int64_t step = (product + (1 << (RESCALE_BITS - 1))) >> RESCALE_BITS;
        row[channel] = (int8_t)(step < -128 ? -128 : step > 127 ? 127 : step);
    }
}
