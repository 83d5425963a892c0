#include "kg_snapshot.h"

#include <string.h>

#include "kg_network.h"
#include "kg_snapshot_regions.h"

kg_status kg_prefix(void)
{
    const kg_status error = kg_finish();
    kg_now.rows = 0;
    if (error == KG_OK)
        kg_run_prefix(1);
    return error;
}

void kg_snapshot_save(uint8_t *to)
{
    for (uint32_t i = 0; i < kg_snapshot_region_count; i++) {
        const kg_snapshot_region region = kg_snapshot_regions[i];
        memcpy(to, kg_arena + region.offset, region.bytes);
        to += region.bytes;
    }
}

void kg_snapshot_restore(const uint8_t *from)
{
    for (uint32_t i = 0; i < kg_snapshot_region_count; i++) {
        const kg_snapshot_region region = kg_snapshot_regions[i];
        memcpy(kg_arena + region.offset, from, region.bytes);
        from += region.bytes;
    }
}

/* The sample's place is taken by what the prefix has made of it. */
static void prefix_is_there(void)
{
    kg_now.rows = KG_INPUT_HEIGHT;
}

const int32_t *kg_predict_suffix(void)
{
    prefix_is_there();
    if (kg_begin_predict() != KG_OK)
        return NULL;
    kg_run_suffix(0);
    return kg_active_logits();
}

const int32_t *kg_train_step_suffix(int32_t label, kg_learning_rate rate)
{
    prefix_is_there();
    if (kg_begin_step(label, rate) != KG_OK)
        return NULL;
    kg_run_suffix(1);
    kg_end_step();
    return kg_active_logits();
}
