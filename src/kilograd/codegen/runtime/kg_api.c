/* The calls of kilograd.h that are the same for every model. */
#include <string.h>

#include "kg_crc32.h"
#include "kg_network.h"
#include "kg_schedule.h"

#if KG_INPUT_HEIGHT > 65535
#error "a sample has at most 65,535 rows"
#endif

#define HIGHEST_MANTISSA 32767
#define LARGEST_EXPONENT 1100

/* LABEL_KIND: what a label is, as kilograd's Python counts its kinds. IS_NO_LABEL: whether a number
   is none; any is a value. */
#if defined KG_VALUE
#define LABEL_KIND 2
#define FEWEST_CLASSES 1
#define IS_NO_LABEL(label, classes) ((void)(label), (void)(classes), 0)
#elif defined KG_ANOMALY
#define LABEL_KIND 3
#define FEWEST_CLASSES 1
#define IS_NO_LABEL(label, classes) ((void)(classes), (label) != 0)
#elif defined KG_LABEL_SETS
#define LABEL_KIND 1
#define FEWEST_CLASSES 2
#define IS_NO_LABEL(label, classes) ((uint32_t)(label) >= UINT32_C(1) << (classes))
#else
#define LABEL_KIND 0
#define FEWEST_CLASSES 2
#define IS_NO_LABEL(label, classes) ((uint32_t)(label) >= (classes))
#endif

const uint32_t kg_input_bytes = KG_INPUT_BYTES;
const uint32_t kg_row_bytes = KG_ROW_BYTES;
const uint32_t kg_class_count = KG_CLASS_COUNT;
const uint32_t kg_state_bytes = KG_STATE_BYTES;
const uint32_t kg_arena_bytes = KG_ARENA_BYTES;
const uint32_t kg_model_id = KG_MODEL_ID;

const uint32_t kg_label_kind = LABEL_KIND;

kg_control kg_step_control;
kg_counters kg_counted;
kg_progress kg_now;

/* How a call ended. */
static KG_SMALL kg_status ended(kg_status status)
{
    kg_now.error = (int8_t)status;
    return status;
}

#ifdef KG_YIELD
/* While the application's function runs, calls are refused; what they did to kg_now is undone. */
void kg_yield_now(void)
{
    const kg_progress before = kg_now;
    kg_now = (kg_progress){.is_busy = 1};
    kg_yield();
    kg_now = before;
}
#endif

KG_SMALL void kg_init(uint32_t seed)
{
    const uint32_t header[] = {seed, 0, KG_CLASS_COUNT};
    if (KG_IS_BUSY) {
        ended(KG_ERROR_BUSY);
        return;
    }
    memcpy(kg_state_buffer, header, sizeof header);
    memset(&kg_counted, 0, sizeof kg_counted);
    kg_initialize_state();
    kg_now = (kg_progress){.is_initialized = 1};
}

uint8_t *kg_state(void)
{
    return kg_state_buffer;
}

const kg_counters *kg_get_counters(void)
{
    return &kg_counted;
}

kg_status kg_error(void)
{
    return kg_now.error;
}

KG_SMALL kg_status kg_set_classes(uint32_t classes)
{
    if (!kg_now.is_initialized)
        return ended(KG_NOT_READY);
    if (classes < FEWEST_CLASSES || classes > KG_CLASS_COUNT)
        return ended(KG_ERROR_CLASSES);
    memcpy(kg_state_buffer + KG_STATE_CLASSES, &classes, 4);
    return ended(KG_OK);
}

uint32_t kg_get_classes(void)
{
    uint32_t classes;
    memcpy(&classes, kg_state_buffer + KG_STATE_CLASSES, 4);
    return classes < FEWEST_CLASSES || classes > KG_CLASS_COUNT ? KG_CLASS_COUNT : classes;
}

kg_status kg_finish(void)
{
    return kg_now.rows == KG_INPUT_HEIGHT ? KG_OK : KG_ERROR_SAMPLE;
}

KG_SMALL kg_status kg_begin_predict(void)
{
    if (!kg_now.is_initialized)
        return ended(KG_NOT_READY);
    if (kg_finish() != KG_OK)
        return ended(KG_ERROR_SAMPLE);
    kg_now.rows = 0;
    return ended(KG_OK);
}

KG_SMALL kg_status kg_begin_step(int32_t label, kg_learning_rate rate)
{
    const uint32_t classes = kg_get_classes();
    if (!kg_now.is_initialized)
        return ended(KG_NOT_READY);
    if (IS_NO_LABEL(label, classes))
        return ended(KG_ERROR_LABEL);
    if ((uint32_t)rate.mantissa > HIGHEST_MANTISSA || rate.exponent > LARGEST_EXPONENT ||
        rate.exponent < -LARGEST_EXPONENT)
        return ended(KG_ERROR_RATE);
    const kg_status error = kg_begin_predict();
    if (error != KG_OK)
        return error;
    memcpy(&kg_step_control.seed, kg_state_buffer + KG_STATE_SEED, 4);
    memcpy(&kg_step_control.step, kg_state_buffer + KG_STATE_STEPS, 4);
    kg_step_control.label = label;
    kg_step_control.classes = (int32_t)classes;
    kg_set_rate(&kg_step_control, rate.mantissa, rate.exponent, rate.steps);
    return KG_OK;
}

void kg_end_step(void)
{
    kg_step_control.step++;
    kg_counted.steps++;
    memcpy(kg_state_buffer + KG_STATE_STEPS, &kg_step_control.step, 4);
}

const int32_t *kg_active_logits(void)
{
    int32_t *const logits = (void *)(kg_arena + KG_LOGITS_OFFSET);
    for (uint32_t c = kg_get_classes(); c < KG_CLASS_COUNT; c++)
        logits[c] = INT32_MIN;
    return logits;
}

const int32_t *kg_predict(void)
{
    if (kg_begin_predict() != KG_OK)
        return NULL;
    kg_run_prefix(0);
    kg_run_suffix(0);
    return kg_active_logits();
}

const int32_t *kg_train_step(int32_t label, kg_learning_rate rate)
{
    if (kg_begin_step(label, rate) != KG_OK)
        return NULL;
    kg_run_prefix(1);
    kg_run_suffix(1);
    kg_end_step();
    return kg_active_logits();
}

/* The first class with the largest logit, or the set of those that are more likely there than not,
   or of a value or an error only that there is one; or why there are no logits. */
KG_SMALL int32_t kg_answer(const int32_t *logits)
{
    if (logits == NULL)
        return kg_now.error;
    int32_t found = 0;
#if defined KG_VALUE || defined KG_ANOMALY
    /* an estimate may be below 0, as refusals are */
#elif defined KG_LABEL_SETS
    for (uint32_t c = 0; c < KG_CLASS_COUNT; c++)
        if (logits[c] > 0)
            found |= (int32_t)(UINT32_C(1) << c);
#else
    for (int32_t c = 1; c < (int32_t)KG_CLASS_COUNT; c++)
        if (logits[c] > logits[found])
            found = c;
#endif
    return found;
}

#if !defined KG_VALUE && !defined KG_ANOMALY
KG_SMALL int32_t kg_classify(void)
{
    return kg_answer(kg_predict());
}
#endif

KG_SMALL int32_t kg_learn(int32_t label, kg_learning_rate rate)
{
    return kg_answer(kg_train_step(label, rate));
}

KG_SMALL kg_status kg_save(uint8_t *saved)
{
    if (!kg_now.is_initialized)
        return ended(KG_NOT_READY);
    const uint32_t header[] = {KG_MODEL_ID, kg_crc32(0, kg_state_buffer, KG_STATE_BYTES)};
    memcpy(saved, header, sizeof header);
    memcpy(saved + sizeof header, kg_state_buffer, KG_STATE_BYTES);
    return ended(KG_OK);
}

KG_SMALL kg_status kg_restore(const uint8_t *saved)
{
    uint32_t header[2];
    if (!kg_now.is_initialized)
        return ended(KG_NOT_READY);
    memcpy(header, saved, sizeof header);
    saved += sizeof header;
    if (header[0] != KG_MODEL_ID)
        return ended(KG_ERROR_MODEL);
    if (header[1] != kg_crc32(0, saved, KG_STATE_BYTES))
        return ended(KG_ERROR_DAMAGED);
    memcpy(kg_state_buffer, saved, KG_STATE_BYTES);
    memset(&kg_counted, 0, sizeof kg_counted);
    kg_now.rows = 0; /* rows may have run with what was learned before */
    return ended(KG_OK);
}
