#include "kg_snapshot.h"

#include <string.h>

#include "kg_boundary.h"

const uint32_t kg_snapshot_bytes = KG_BOUNDARY_BYTES;

void kg_snapshot_save(uint8_t *to)
{
    for (uint32_t i = 0; i < kg_boundary_region_count; i++) {
        const kg_region region = kg_boundary_regions[i];
        memcpy(to, kg_arena + region.offset, region.bytes);
        to += region.bytes;
    }
}

void kg_snapshot_restore(const uint8_t *from)
{
    for (uint32_t i = 0; i < kg_boundary_region_count; i++) {
        const kg_region region = kg_boundary_regions[i];
        memcpy(kg_arena + region.offset, from, region.bytes);
        from += region.bytes;
    }
}

const int32_t *kg_train_step_suffix(int32_t label, kg_learning_rate rate)
{
    uint32_t steps;
    memcpy(&steps, kg_state_buffer + KG_STATE_STEPS, 4);
    return kg_train_step_suffix_at(label, rate, steps);
}
