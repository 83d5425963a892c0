/* Between the interface and the nodes of kg_model.c; no part of the interface. */
#ifndef KG_NETWORK_H
#define KG_NETWORK_H

#include "kg_arithmetic.h"
#include "kilograd.h"

/* Where the two arrays go. Define these to move one, such as to
   __attribute__((section(".dtcm"))); neither has to be cleared at startup. */
#ifndef KG_ARENA_ATTRIBUTE
#define KG_ARENA_ATTRIBUTE
#endif
#ifndef KG_STATE_ATTRIBUTE
#define KG_STATE_ATTRIBUTE
#endif

extern uint8_t kg_arena[], kg_state_buffer[];

/* What a training step hands to its kernels. */
extern kg_control kg_step_control;

/* Which calls may come next. */
typedef struct {
    uint16_t rows; /* of the sample that are there; 0 once a call has used it up */
    int8_t error;  /* of the last call */
    uint8_t is_initialized;
#ifdef KG_YIELD
    uint8_t is_busy; /* kg_yield runs: then all else is 0, so that nothing but it has to be asked */
#endif
} kg_progress;

extern kg_progress kg_now;

#ifdef KG_YIELD
#define KG_IS_BUSY kg_now.is_busy
#else
#define KG_IS_BUSY 0
#endif

/* Why no call may come where is_initialized is 0. */
#define KG_NOT_READY (KG_IS_BUSY ? KG_ERROR_BUSY : KG_ERROR_NOT_INITIALIZED)

/* The nodes in order: those that read nothing trained, then the rest. */
void kg_run_prefix(int training);
void kg_run_suffix(int training);

/* Into the state what is trained, as it is at first. */
void kg_initialize_state(void);

/* Where the sample arrives in rows: before the first, and for each. */
void kg_start_rows(void);
void kg_take_row(const int8_t *row);

/* Before the nodes of a step and after them; the sample is used up if all is in order. */
kg_status kg_begin_predict(void);
kg_status kg_begin_step(int32_t label, kg_learning_rate rate);
void kg_end_step(void);
const int32_t *kg_active_logits(void);

/* What kg_classify returns for these logits; for NULL, why there are none. */
int32_t kg_answer(const int32_t *logits);

#endif
