#include "kg_channels.h"

#include <string.h>

void kg_channel_place_plain(const kg_channel_place_parameters *p, const int8_t *x, int8_t *y)
{
    for (int32_t position = 0; position < p->positions; position++) {
        memset(y, 0, (size_t)p->channels);
        memcpy(y + p->first, x, (size_t)p->count);
        x += p->count;
        y += p->channels;
    }
}
