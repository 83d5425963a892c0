/* From samples of a sensor to the network's input. No heap, integers only. */
#ifndef KG_FEATURES_H
#define KG_FEATURES_H

#include <stdint.h>

#include "kg_features_config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Begins a new input. Call it before each one: kg_predict and kg_train_step reuse its memory. */
void kg_features_reset(void);

/* Takes `count` samples, KG_FEATURES_CHANNELS numbers each, in pieces of any size, and writes what
   they complete to kg_input(). Returns 1 once the input is complete, which KG_FEATURES_SAMPLES
   samples do; those that come after are not read. Returns 0 before. */
int32_t kg_features_push(const int16_t *samples, int32_t count);

#ifdef __cplusplus
}
#endif

#endif
