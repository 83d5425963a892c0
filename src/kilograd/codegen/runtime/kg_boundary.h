/* The boundary between the layers that training cannot change, the frozen prefix, and the rest.
   What the prefix makes of a sample depends on nothing trained, so it may be kept, and put back
   instead of being made anew. */
#ifndef KG_BOUNDARY_H
#define KG_BOUNDARY_H

#include "kg_network.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where in the arena that lies, together KG_BOUNDARY_BYTES: defined in kg_model.c. */
typedef struct {
    uint32_t offset, bytes;
} kg_region;

extern const kg_region kg_boundary_regions[];
extern const uint32_t kg_boundary_region_count;

/* Runs the prefix on the sample. Its results stay until the next call of any kind. */
kg_status kg_prefix(void);

/* As kg_predict and kg_train_step, once the results of the prefix are in the arena: they are used
   up. The step's rate is that of step `at` of a run of rate.steps. */
const int32_t *kg_predict_suffix(void);
const int32_t *kg_train_step_suffix_at(int32_t label, kg_learning_rate rate, uint32_t at);

#ifdef __cplusplus
}
#endif

#endif
