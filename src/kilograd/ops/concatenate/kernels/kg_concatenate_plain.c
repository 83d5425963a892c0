#include "kg_concatenate.h"

#include <string.h>

void kg_concatenate_plain(const kg_concatenate_parameters *p, const int8_t *a, const int8_t *b,
                          int8_t *y)
{
    for (int32_t position = 0; position < p->positions; position++) {
        memcpy(y, a, (size_t)p->a_channels);
        memcpy(y + p->a_channels, b, (size_t)p->b_channels);
        a += p->a_channels;
        b += p->b_channels;
        y += p->a_channels + p->b_channels;
    }
}
