#include "kg_channels.h"

void kg_channel_shuffle_plain(const kg_channel_shuffle_parameters *p, const int8_t *x, int8_t *y)
{
    for (int32_t position = 0; position < p->positions; position++) {
        for (int32_t channel = 0; channel < p->in_group; channel++) {
            for (int32_t group = 0; group < p->groups; group++) {
                *y++ = x[group * p->in_group + channel];
            }
        }
        x += p->groups * p->in_group;
    }
}
