/* Where the result of a depthwise kernel overwrites what it reads, the channels that it works on
   are read from a copy. */
#ifndef KG_PLANE_H
#define KG_PLANE_H

#include <stdint.h>
#include <string.h>

/* Channels of a copy in scratch memory; it takes a word a position. */
#define KG_PLANE_CHANNELS 4

/* `count` channels of each position, `stride` bytes apart in the copy. */
static inline const int8_t *kg_copy_plane(const int8_t *from, int32_t positions, int32_t channels,
                                          int32_t count, int32_t stride, void *plane)
{
    int8_t *to = plane;
    if (count == KG_PLANE_CHANNELS)
        for (int32_t i = 0; i < positions; i++, from += channels, to += stride)
            memcpy(to, from, KG_PLANE_CHANNELS);
    else
        for (int32_t i = 0; i < positions; i++, from += channels, to += stride)
            memcpy(to, from, (size_t)count);
    return plane;
}

#endif
