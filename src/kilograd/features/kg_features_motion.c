#include "kg_features.h"
#include "kg_motion.h"
#include "kg_network.h"

static int32_t taken;

void kg_features_reset(void)
{
    if (KG_IS_BUSY)
        return;
    kg_begin();
    taken = 0;
}

int32_t kg_features_push(const int16_t *samples, int32_t count)
{
    int8_t *const input = (int8_t *)kg_arena + KG_INPUT_OFFSET;
    if (KG_IS_BUSY)
        return 0;
    for (int32_t i = 0; i < count && taken < KG_FEATURES_SAMPLES; i++) {
        kg_motion_push(samples + i * KG_MOTION_CHANNELS, input + taken * KG_MOTION_CHANNELS);
        if (++taken == KG_FEATURES_SAMPLES)
            kg_input(); /* the sample is whole */
    }
    return taken == KG_FEATURES_SAMPLES;
}
