#include "kg_channels.h"

#include <string.h>

void kg_channel_slice_plain(const kg_channel_slice_parameters *p, const int8_t *x, int8_t *y)
{
    x += p->first;
    for (int32_t position = 0; position < p->positions; position++) {
        memcpy(y, x, (size_t)p->count);
        x += p->channels;
        y += p->count;
    }
}
