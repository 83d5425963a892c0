/* Counts of motion sensors to what the network reads. */
#ifndef KG_MOTION_H
#define KG_MOTION_H

#include <stdint.h>

#include "kg_motion_config.h"

/* One sample, KG_MOTION_CHANNELS counts, to as many bytes; KG_MOTION_LENGTH of those behind each
   other are the network's input. */
void kg_motion_push(const int16_t *counts, int8_t *row);

#endif
