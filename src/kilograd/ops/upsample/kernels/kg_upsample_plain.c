#include "kg_upsample.h"

#include <string.h>

void kg_upsample_plain(const kg_upsample_parameters *p, const int8_t *x, int8_t *y)
{
    const size_t channels = (size_t)p->channels;
    const size_t row_bytes = (size_t)(p->width * p->columns) * channels;
    for (int32_t row = 0; row < p->height; row++) {
        const int8_t *const first = y;
        for (int32_t column = 0; column < p->width; column++, x += channels)
            for (int32_t copy = 0; copy < p->columns; copy++, y += channels)
                memcpy(y, x, channels);
        for (int32_t copy = 1; copy < p->rows; copy++, y += row_bytes)
            memcpy(y, first, row_bytes);
    }
}
