/* Log-mel features of audio, frame by frame: what the network reads. No heap, integers only. */
#ifndef KG_LOG_MEL_H
#define KG_LOG_MEL_H

#include <stdint.h>

#include "kg_log_mel_config.h"

/* Samples that are waiting for their frame to be full. */
typedef struct {
    int32_t count;
    int16_t samples[KG_LOG_MEL_WINDOW];
} kg_log_mel;

/* Any memory that nothing else uses while kg_log_mel_push runs, such as the part of the arena
   behind the sample between two calls of the network. */
typedef struct {
    int32_t spectrum[KG_LOG_MEL_WINDOW];
} kg_log_mel_scratch;

/* Most frames that `count` samples can complete. */
#define KG_LOG_MEL_MOST(count) (((count) + KG_LOG_MEL_HOP - 1) / KG_LOG_MEL_HOP)

/* Forgets all samples: the next one is the first of a recording. Call it first. */
void kg_log_mel_reset(kg_log_mel *state);

/* Takes samples at KG_LOG_MEL_RATE Hz and writes the frames that they complete, KG_LOG_MEL_BANDS
   bytes each; returns their number. The frames of a recording, KG_LOG_MEL_FRAMES of them behind
   each other, are the network's input. */
int32_t kg_log_mel_push(kg_log_mel *state, kg_log_mel_scratch *scratch, const int16_t *samples,
                        int32_t count, int8_t *frames);

#endif
