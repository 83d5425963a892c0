#include "kg_features.h"
#include "kg_motion.h"
#include "kilograd.h"

static int32_t taken;

void kg_features_reset(void)
{
    taken = 0;
}

int32_t kg_features_push(const int16_t *samples, int32_t count)
{
    for (int32_t i = 0; i < count && taken < KG_FEATURES_SAMPLES; i++, taken++)
        kg_motion_push(samples + i * KG_MOTION_CHANNELS, kg_input() + taken * KG_MOTION_CHANNELS);
    return taken == KG_FEATURES_SAMPLES;
}
