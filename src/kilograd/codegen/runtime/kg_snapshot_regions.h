/* Where the results of the frozen prefix lie in the arena: defined in kg_model.c. */
#ifndef KG_SNAPSHOT_REGIONS_H
#define KG_SNAPSHOT_REGIONS_H

#include <stdint.h>

typedef struct {
    uint32_t offset, bytes;
} kg_snapshot_region;

extern const kg_snapshot_region kg_snapshot_regions[];
extern const uint32_t kg_snapshot_region_count;

#endif
