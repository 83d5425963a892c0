#include "kg_upsample.h"

#include <string.h>

KG_SMALL
void kg_pick_positions_plain(const kg_pick_positions_parameters *p, const int8_t *x, int8_t *y)
{
    const size_t channels = (size_t)p->channels;
    const size_t step = (size_t)p->columns * channels, row_bytes = (size_t)p->width * step;
    for (int32_t row = 0; row < p->height; row++, x += (size_t)p->rows * row_bytes)
        for (int32_t column = 0; column < p->width; column++, y += channels)
            memcpy(y, x + (size_t)column * step, channels);
}
