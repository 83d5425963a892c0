#include "kg_features.h"
#include "kg_log_mel.h"
#include "kg_network.h"

static kg_log_mel waiting;
static int32_t taken, frames;

void kg_features_reset(void)
{
    if (KG_IS_BUSY)
        return;
    kg_begin();
    kg_log_mel_reset(&waiting);
    taken = 0;
    frames = 0;
}

int32_t kg_features_push(const int16_t *samples, int32_t count)
{
    const int32_t missing = KG_FEATURES_SAMPLES - taken;
    const int32_t used = count < missing ? count : missing;
    kg_log_mel_scratch *scratch = (void *)(kg_arena + KG_FEATURES_SCRATCH);
    int8_t *next = (int8_t *)kg_arena + KG_INPUT_OFFSET + frames * KG_LOG_MEL_BANDS;
    if (KG_IS_BUSY)
        return 0;
    frames += kg_log_mel_push(&waiting, scratch, samples, used, next);
    taken += used;
    if (used > 0 && taken == KG_FEATURES_SAMPLES)
        kg_input(); /* the sample is whole */
    return taken == KG_FEATURES_SAMPLES;
}
