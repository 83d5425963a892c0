#include "kg_upsample.h"

#include <string.h>

void kg_insert_zeros_plain(const kg_insert_zeros_parameters *p, const int8_t *x, int8_t *y)
{
    const size_t channels = (size_t)p->channels;
    const size_t step = (size_t)p->columns * channels, row_bytes = (size_t)p->width * step;
    memset(y, p->zero_point, (size_t)p->height * (size_t)p->rows * row_bytes);
    for (int32_t row = 0; row < p->height; row++, y += (size_t)p->rows * row_bytes)
        for (int32_t column = 0; column < p->width; column++, x += channels)
            memcpy(y + (size_t)column * step, x, channels);
}
