/* Two maps side by side in their channels. */
#ifndef KG_CONCATENATE_H
#define KG_CONCATENATE_H

#include <stdint.h>

typedef struct {
    int32_t positions, a_channels, b_channels;
} kg_concatenate_parameters;

void kg_concatenate_plain(const kg_concatenate_parameters *p, const int8_t *a, const int8_t *b,
                          int8_t *y);

#endif
