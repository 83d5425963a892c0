/* Only on a PC: what the frozen prefix makes of a sample, kept and put back as often as one likes.
 */
#ifndef KG_SNAPSHOT_H
#define KG_SNAPSHOT_H

#include "kilograd.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const uint32_t kg_snapshot_bytes;

/* Keeps or puts back the results of the prefix: kg_snapshot_bytes. */
void kg_snapshot_save(uint8_t *to);
void kg_snapshot_restore(const uint8_t *from);

/* As kg_train_step, after kg_prefix or kg_snapshot_restore, and once. */
const int32_t *kg_train_step_suffix(int32_t label, kg_learning_rate rate);

#ifdef __cplusplus
}
#endif

#endif
