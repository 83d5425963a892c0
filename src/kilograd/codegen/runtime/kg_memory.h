/* Samples that are kept to be learned from again, so that what comes later does not make the
 * network forget what came before.
 *
 * Of a sample only that is kept which the layers that learn read of it: KG_BOUNDARY_BYTES. It never
 * goes stale, and a step from it costs what those layers cost. Samples are kept by class-balanced
 * reservoir sampling: while there is room, or room for the class, all of them; after that each that
 * came of a class is as likely to be there as any other. Numbers are those of docs/numerics.md of
 * kilograd, section 12, and the same everywhere.
 *
 * The calls belong in the thread of those of kilograd.h.
 */
#ifndef KG_MEMORY_H
#define KG_MEMORY_H

#include "kilograd.h"

#ifndef KG_BOUNDARY_BYTES
#error "training changes what runs while a sample's rows arrive, so there is nothing to keep of it"
#endif
#ifdef KG_LABEL_SETS
#error "a memory is balanced over classes, and here labels are sets of them"
#endif
#ifdef KG_VALUE
#error "a memory is balanced over classes, and here labels are values"
#endif
#ifdef KG_ANOMALY
#error "a memory is balanced over classes, and here all samples are normal ones"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Of a sample's label, number and checksum. */
#define KG_MEMORY_HEADER_BYTES 12

/* Bytes that a sample takes in RAM; the second for what does not see macros. */
#define KG_MEMORY_SAMPLE_BYTES (KG_MEMORY_HEADER_BYTES + (KG_BOUNDARY_BYTES + 3u) / 4u * 4u)
extern const uint32_t kg_memory_sample_bytes;

/* A memory that begins empty, in any RAM, aligned to 4 bytes. per_class: most samples of a class;
   0 for as many as there is room. The room is shared evenly among the classes that have come.
   KG_ERROR_SPACE: not even one fits. */
kg_status kg_memory_in_ram(void *memory, uint32_t bytes, uint32_t per_class);

/* How many samples there is room for, and how many are there of a class. */
uint32_t kg_memory_capacity(void);
uint32_t kg_memory_count(int32_t label);

/* Each of these takes a sample that was given as for kg_learn, and returns the class that it was
   taken for, or an error below 0. While samples of one class only are there, none learns.
   kg_memory_keep keeps the sample, or not. kg_memory_step then learns from it as well.
   kg_memory_learn does that, and then learns from one that is drawn: it is what to call in a
   stream. */
int32_t kg_memory_keep(int32_t label);
int32_t kg_memory_step(int32_t label, kg_learning_rate rate);
int32_t kg_memory_learn(int32_t label, kg_learning_rate rate);

/* One step from a sample that is drawn, where every class that is there is as likely, as step `at`
   of a run of rate.steps: its label, or an error below 0; KG_ERROR_SAMPLE where fewer than two
   active classes are there. */
int32_t kg_memory_replay(kg_learning_rate rate, uint32_t at);

/* A whole run of `steps` of them; the rate rises shortly, then falls to 0. Best done when the
   device is idle, and worth doing again when much has come since. */
kg_status kg_consolidate(uint32_t steps, kg_learning_rate rate);

/* Lets go of all samples of a class. */
kg_status kg_memory_forget(int32_t label);

#ifdef __cplusplus
}
#endif

#endif
