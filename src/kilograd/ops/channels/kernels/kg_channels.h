/* A part of a map's channels, or all of them in another order. */
#ifndef KG_CHANNELS_H
#define KG_CHANNELS_H

#include <stdint.h>

typedef struct {
    int32_t positions, channels;
    int32_t first, count; /* of the channels that are taken */
} kg_channel_slice_parameters;

void kg_channel_slice_plain(const kg_channel_slice_parameters *p, const int8_t *x, int8_t *y);

typedef struct {
    int32_t positions;
    int32_t groups, in_group; /* channels are groups of so many */
} kg_channel_shuffle_parameters;

void kg_channel_shuffle_plain(const kg_channel_shuffle_parameters *p, const int8_t *x, int8_t *y);

typedef struct {
    int32_t positions, channels;
    int32_t first, count; /* of the channels that are put in */
} kg_channel_place_parameters;

void kg_channel_place_plain(const kg_channel_place_parameters *p, const int8_t *x, int8_t *y);

#endif
