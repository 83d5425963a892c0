/* Only on a PC: what the frozen prefix makes of a sample depends on nothing trained, so it may be
   kept and put back instead of being made anew. */
#ifndef KG_SNAPSHOT_H
#define KG_SNAPSHOT_H

#include "kilograd.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const uint32_t kg_snapshot_bytes;

/* Runs the prefix on the sample, and keeps or puts back its results: kg_snapshot_bytes. */
kg_status kg_prefix(void);
void kg_snapshot_save(uint8_t *to);
void kg_snapshot_restore(const uint8_t *from);

/* As kg_predict and kg_train_step, after kg_prefix or kg_snapshot_restore, and once. */
const int32_t *kg_predict_suffix(void);
const int32_t *kg_train_step_suffix(int32_t label, kg_learning_rate rate);

#ifdef __cplusplus
}
#endif

#endif
