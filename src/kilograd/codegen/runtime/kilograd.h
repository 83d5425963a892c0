/* A network that predicts and learns. What is special to it stands in kg_model.h.
 *
 * Every call runs to its end and there is one network, so calls must not overlap: make them all in
 * one thread, and none in an interrupt. Interrupts may come while a call runs, and may hand samples
 * to whoever makes the calls. A call needs KG_STACK_BYTES of stack and no heap. Where other things
 * have to be done in the thread of a long call, see kg_yield.
 */
#ifndef KILOGRAD_H
#define KILOGRAD_H

#include <stdint.h>

#include "kg_counters.h"
#include "kg_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a call returns where it can be refused. A call that is refused changes nothing. */
typedef int32_t kg_status;
enum {
    KG_OK = 0,
    KG_ERROR_NOT_INITIALIZED = -1, /* kg_init has not been called */
    KG_ERROR_SAMPLE = -2,          /* no sample, a part of one, or one that a call has used up */
    KG_ERROR_LABEL = -3,           /* the label is none of 0 to kg_get_classes() - 1, or no set */
    KG_ERROR_RATE = -4,            /* mantissa or exponent is out of range */
    KG_ERROR_CLASSES = -5,         /* the number is none of 2 to KG_CLASS_COUNT */
    KG_ERROR_MODEL = -6,           /* what was saved belongs to another model */
    KG_ERROR_DAMAGED = -7,         /* what was saved has changed since, or was cut off */
    KG_ERROR_SELFTEST = -8,        /* this processor or compiler computes something else */
    KG_ERROR_FLASH = -9,           /* a function of kg_flash failed, or flash holds another byte */
    KG_ERROR_EMPTY = -10,          /* nothing was saved */
    KG_ERROR_SPACE = -11,          /* a slot is too small for the state, or a memory for a sample */
    KG_ERROR_PAGES = -12,          /* granule no power of two to 256, or page no multiple of it */
    KG_ERROR_SLOTS = -13,          /* fewer than 2, or they are not as many whole pages each */
    KG_ERROR_BUSY = -14            /* kg_yield made the call */
};

/* Learning rate = mantissa * 2^exponent, 0 <= mantissa < 2^15, |exponent| <= 1100.
   steps = 0: it stays. Otherwise that is the highest: by the step counter of the state, the rate
   rises over the first twentieth of `steps`, then falls along half a cosine to 0.
   KG_DEFAULT_RATE in kg_model.h is a good start. */
typedef struct {
    int32_t mantissa;
    int32_t exponent;
    uint32_t steps;
} kg_learning_rate;

/* The macros of kg_model.h, for languages and linkers that do not see macros. */
extern const uint32_t kg_input_bytes, kg_row_bytes, kg_class_count, kg_state_bytes, kg_arena_bytes;
extern const uint32_t kg_model_id;

/* Initial weights into SRAM, step counter and counters 0, all classes. Call it first; `seed` is
   that of the stochastic rounding, and any number is good. */
void kg_init(uint32_t seed);

/* ---- One sample: KG_INPUT_HEIGHT rows of KG_ROW_BYTES, in the order row, column, channel. ----
   Each serves one call. Its memory is used for other things while a call runs, so after
   kg_predict, kg_classify, kg_train_step or kg_learn it has to be given anew. */

#ifndef KG_ROW_INPUT
/* Where the sample goes, KG_INPUT_BYTES. Call it once for each sample: that says that the whole
   sample will stand there before the next call that uses it. */
int8_t *kg_input(void);
#endif

/* Or row by row, such as a camera sends them: kg_begin, then kg_push_rows until it returns 0, the
   number of rows that are missing. It takes no more than those, and none before kg_init.
   kg_finish returns KG_OK where the sample is whole, otherwise KG_ERROR_SAMPLE.
   With KG_ROW_INPUT there is no other way, and each push runs what its rows allow. */
void kg_begin(void);
uint32_t kg_push_rows(const int8_t *rows, uint32_t count);
kg_status kg_finish(void);

/* ---- Predicting and learning ---- */

/* The logits, KG_CLASS_COUNT of them in units of 2^-16, valid until the next call; NULL where the
   call is refused, and kg_error() says why. With KG_ANOMALY there is one number in units of 2^-28:
   the mean squared error of the sample that the network has made again. */
const int32_t *kg_predict(void);

/* One step of training towards `label`: a class, with KG_LABEL_SETS a set of classes, with
   KG_VALUE a value as kg_value_label makes it, or with KG_ANOMALY 0 for a normal sample. Returns
   the logits from before the step, which are those that kg_predict would have given; NULL where
   it is refused. */
const int32_t *kg_train_step(int32_t label, kg_learning_rate rate);

/* The same, with the class of the largest logit as the result, or an error (below 0). With
   KG_LABEL_SETS the result is the set of the classes that are more likely there than not.
   kg_learn predicts, then learns from the same sample. With KG_VALUE or KG_ANOMALY it returns
   KG_OK or an error; the estimate is kg_value(kg_predict()), or how unusual a sample is
   kg_predict()[0]. */
#if !defined KG_VALUE && !defined KG_ANOMALY
int32_t kg_classify(void);
#endif
int32_t kg_learn(int32_t label, kg_learning_rate rate);

/* Why the last call was refused; KG_OK where it was not. */
kg_status kg_error(void);

/* How many classes, the first ones, are predicted and learned: 2 to KG_CLASS_COUNT, at first all.
   The logits of the others are INT32_MIN and their weights stay as they are. Part of the state. */
kg_status kg_set_classes(uint32_t classes);
uint32_t kg_get_classes(void);

/* What training has met since kg_init or kg_restore; docs/numerics.md of kilograd says how to act
   on it. It is no part of the state. */
const kg_counters *kg_get_counters(void);

/* ---- Keeping what was learned: in memory; kg_storage.h keeps it in flash ---- */

/* Writes KG_SAVED_BYTES: all that training changes, the seed and the step counter, with the
   model's number and a checksum. */
kg_status kg_save(uint8_t *saved);

/* Takes it back, after kg_init; a sample has to be given anew. Refused with KG_ERROR_MODEL or
   KG_ERROR_DAMAGED; then the network is as it was. Whatever target a model is compiled for, it
   takes what any other saved. */
kg_status kg_restore(const uint8_t *saved);

/* Everything that training changes, KG_STATE_BYTES, as it lies in memory. */
uint8_t *kg_state(void);

/* Learns one step from a made-up sample and compares the result with that of kilograd's reference.
   What was learned is lost: call it before kg_init. Returns KG_OK or KG_ERROR_SELFTEST. */
kg_status kg_selftest(void);

/* ---- Doing something else while a call runs ---- */

/* Yours, where KG_YIELD is defined while all of this is compiled (-DKG_YIELD); otherwise nothing
   calls it. What predicts or learns, and kg_push_rows with KG_ROW_INPUT, calls it after each layer
   and each row of those that run by rows, and within long ones: in the thread and on the stack of
   the call, always between two whole steps of the calculation, whose results it cannot change.

   It may take as long as it likes, and give the processor to other threads: kick a watchdog, serve
   a radio, yield to a scheduler. It has to return, and must not touch kg_state() or the sample.
   Calls of the network are refused in it, those with a status with KG_ERROR_BUSY; kg_input returns
   NULL, kg_push_rows takes no row, kg_init and kg_begin do nothing. */
void kg_yield(void);

#ifdef __cplusplus
}
#endif

#endif
