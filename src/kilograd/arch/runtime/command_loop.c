/* The commands of the host.
 *
 * request: u8 command, u32 payload bytes, payload        all numbers little-endian
 * reply:   u8 status,  u32 payload bytes, payload        status 0 done, 1 refused (i32), 2 fault
 */
#include <stddef.h>

#include "kg_network.h"
#include "port.h"
#include "runtime.h"

#ifdef __has_include
#if __has_include("kg_features.h")
#include "kg_features.h"
#define HAS_FEATURES
#endif
#endif

#ifdef __has_include
#if __has_include("kg_memory_size.h")
#include "kg_memory.h"
#include "kg_memory_size.h"
#define HAS_MEMORY
static KG_ALIGNED uint8_t memory[KG_MEMORY_SAMPLES * KG_MEMORY_SAMPLE_BYTES];
#endif
#endif

/* Of COMMAND_INFO: the highest bit is 1 where a label is a set of classes, the next where it is a
   value, and the one behind where only normal samples are learned. */
#if defined KG_LABEL_SETS
#define INFO_CLASSES (KG_CLASS_COUNT | UINT32_C(1) << 31)
#elif defined KG_VALUE
#define INFO_CLASSES (KG_CLASS_COUNT | UINT32_C(1) << 30)
#elif defined KG_ANOMALY
#define INFO_CLASSES (KG_CLASS_COUNT | UINT32_C(1) << 29)
#else
#define INFO_CLASSES KG_CLASS_COUNT
#endif

enum {
    COMMAND_INFO = 1,           /*                                       -> 4 u32 */
    COMMAND_INIT = 2,           /* u32 seed                              -> nothing */
    COMMAND_PREDICT = 3,        /* sample                                -> logits */
    COMMAND_TRAIN = 4,          /* i32 label, rate (12 bytes), sample    -> logits */
    COMMAND_READ_STATE = 5,     /*                                       -> state */
    COMMAND_WRITE_STATE = 6,    /* state                                 -> nothing */
    COMMAND_STACK = 7,          /*                                       -> u32 bytes */
    COMMAND_EXIT = 8,           /*                                       -> nothing */
    COMMAND_COUNTERS = 9,       /*                                       -> kg_counters */
    COMMAND_SET_CLASSES = 10,   /* u32 classes                          -> nothing */
    COMMAND_FEATURES = 11,      /* int16 samples of a sensor; none begin anew
                                                                         -> the input once complete */
    COMMAND_MEMORY_BEGIN = 12,  /* u32 samples, u32 of a class          -> nothing */
    COMMAND_MEMORY_KEEP = 13,   /* i32 label, sample                    -> logits */
    COMMAND_MEMORY_STEP = 14,   /* i32 label, rate (12 bytes), sample   -> logits */
    COMMAND_MEMORY_REPLAY = 15, /* u32 step of a run, rate (12 bytes)   -> i32 label */
    COMMAND_MEMORY_FORGET = 16, /* i32 label                            -> nothing */
    COMMAND_MEMORY_COUNT = 17   /*                                      -> u32 for each class */
};

/* Why a request is refused: a negative kg_status, or one of these. */
enum { DONE = 0, WRONG_LENGTH = 1, UNKNOWN_COMMAND = 2 };

typedef struct {
    uint32_t unread; /* payload bytes that are still in the port */
} request;

void kg_reply(uint8_t status, const void *payload, uint32_t bytes)
{
    const uint8_t header[5] = {status, (uint8_t)bytes, (uint8_t)(bytes >> 8),
                               (uint8_t)(bytes >> 16), (uint8_t)(bytes >> 24)};
    kg_port_write(header, sizeof header);
    kg_port_write(payload, bytes);
}

static void take(request *from, void *to, uint32_t bytes)
{
    kg_port_read(to, bytes);
    from->unread -= bytes;
}

static void refuse(request *from, int32_t reason)
{
    int32_t dropped[4];
    while (from->unread > 0) {
        take(from, dropped, from->unread < sizeof dropped ? from->unread : sizeof dropped);
    }
    dropped[0] = reason;
    kg_reply(KG_STATUS_REFUSED, dropped, sizeof reason);
}

static int32_t reply_logits(const int32_t *logits)
{
    if (logits == NULL)
        return kg_error();
    kg_reply(KG_STATUS_OK, logits, KG_CLASS_COUNT * (uint32_t)sizeof(int32_t));
    return DONE;
}

static uint32_t stack_high_water(void)
{
    const volatile uint32_t *word = __kg_stack_bottom;
    while (word < __kg_stack_top && *word == KG_STACK_PAINT)
        word++;
    return (uint32_t)((uintptr_t)__kg_stack_top - (uintptr_t)word);
}

static void command_info(void)
{
    const uint32_t info[4] = {KG_INPUT_BYTES, INFO_CLASSES, KG_STATE_BYTES, KG_ARENA_BYTES};
    kg_reply(KG_STATUS_OK, info, sizeof info);
}

static int32_t command_init(request *from)
{
    uint32_t seed;
    if (from->unread != sizeof seed)
        return WRONG_LENGTH;
    take(from, &seed, sizeof seed);
    kg_init(seed);
    kg_reply(KG_STATUS_OK, NULL, 0);
    return DONE;
}

/* The sample into memory, or row by row into the network. */
static void take_sample(request *from)
{
#ifdef KG_ROW_INPUT
    static int8_t row[KG_ROW_BYTES];
    kg_begin();
    while (from->unread > 0) {
        take(from, row, sizeof row);
        kg_push_rows(row, 1);
    }
#else
    take(from, kg_input(), KG_INPUT_BYTES);
#endif
}

static int32_t command_predict(request *from)
{
    if (from->unread != KG_INPUT_BYTES)
        return WRONG_LENGTH;
    take_sample(from);
    return reply_logits(kg_predict());
}

static int32_t command_train(request *from)
{
    struct {
        int32_t label;
        kg_learning_rate rate;
    } step;
    if (from->unread != sizeof step + KG_INPUT_BYTES)
        return WRONG_LENGTH;
    take(from, &step, sizeof step);
    take_sample(from);
    return reply_logits(kg_train_step(step.label, step.rate));
}

static int32_t command_write_state(request *from)
{
    if (from->unread != KG_STATE_BYTES)
        return WRONG_LENGTH;
    take(from, kg_state(), KG_STATE_BYTES);
    kg_reply(KG_STATUS_OK, NULL, 0);
    return DONE;
}

static int32_t command_set_classes(request *from)
{
    uint32_t classes;
    if (from->unread != sizeof classes)
        return WRONG_LENGTH;
    take(from, &classes, sizeof classes);
    const kg_status error = kg_set_classes(classes);
    if (error != KG_OK)
        return error;
    kg_reply(KG_STATUS_OK, NULL, 0);
    return DONE;
}

#ifdef HAS_FEATURES
static int32_t command_features(request *from)
{
    int16_t samples[64];
    const uint32_t bytes_each = KG_FEATURES_CHANNELS * (uint32_t)sizeof(int16_t);
    if (from->unread > sizeof samples || from->unread % bytes_each != 0)
        return WRONG_LENGTH;
    const uint32_t count = from->unread / bytes_each;
    int32_t is_complete = 0;
    if (count == 0) {
        kg_features_reset();
    } else {
        take(from, samples, from->unread);
        is_complete = kg_features_push(samples, (int32_t)count);
    }
    kg_reply(KG_STATUS_OK, kg_input(), is_complete ? KG_INPUT_BYTES : 0);
    return DONE;
}
#endif

#ifdef HAS_MEMORY
static int32_t done(kg_status status)
{
    if (status != KG_OK)
        return status;
    kg_reply(KG_STATUS_OK, NULL, 0);
    return DONE;
}

static int32_t command_memory_begin(request *from)
{
    uint32_t most[2];
    if (from->unread != sizeof most)
        return WRONG_LENGTH;
    take(from, most, sizeof most);
    if (most[0] > KG_MEMORY_SAMPLES)
        return KG_ERROR_SPACE;
    return done(kg_memory_in_ram(memory, most[0] * KG_MEMORY_SAMPLE_BYTES, most[1]));
}

static int32_t command_memory_take(uint8_t command, request *from)
{
    struct {
        int32_t label;
        kg_learning_rate rate;
    } step = {0, {0, 0, 0}};
    const int learns = command == COMMAND_MEMORY_STEP;
    const uint32_t bytes = (uint32_t)(learns ? sizeof step : sizeof step.label);
    if (from->unread != bytes + KG_INPUT_BYTES)
        return WRONG_LENGTH;
    take(from, &step, bytes);
    take_sample(from);
    const int32_t answer =
        learns ? kg_memory_step(step.label, step.rate) : kg_memory_keep(step.label);
    return answer < 0 ? answer : reply_logits(kg_active_logits());
}

static int32_t command_memory_replay(request *from)
{
    struct {
        uint32_t at;
        kg_learning_rate rate;
    } step;
    if (from->unread != sizeof step)
        return WRONG_LENGTH;
    take(from, &step, sizeof step);
    const int32_t label = kg_memory_replay(step.rate, step.at);
    if (label < 0)
        return label;
    kg_reply(KG_STATUS_OK, &label, sizeof label);
    return DONE;
}

static int32_t command_memory_forget(request *from)
{
    int32_t label;
    if (from->unread != sizeof label)
        return WRONG_LENGTH;
    take(from, &label, sizeof label);
    return done(kg_memory_forget(label));
}

static int32_t command_memory_count(request *from)
{
    uint32_t counts[KG_CLASS_COUNT];
    if (from->unread != 0)
        return WRONG_LENGTH;
    for (uint32_t label = 0; label < KG_CLASS_COUNT; label++)
        counts[label] = kg_memory_count((int32_t)label);
    kg_reply(KG_STATUS_OK, counts, sizeof counts);
    return DONE;
}
#endif

/* Returns why the request is refused, or DONE once it has been answered. */
static int32_t execute(uint8_t command, request *from)
{
    switch (command) {
    case COMMAND_INIT: return command_init(from);
    case COMMAND_PREDICT: return command_predict(from);
    case COMMAND_TRAIN: return command_train(from);
    case COMMAND_WRITE_STATE: return command_write_state(from);
    case COMMAND_SET_CLASSES: return command_set_classes(from);
#ifdef HAS_FEATURES
    case COMMAND_FEATURES: return command_features(from);
#endif
#ifdef HAS_MEMORY
    case COMMAND_MEMORY_BEGIN: return command_memory_begin(from);
    case COMMAND_MEMORY_KEEP:
    case COMMAND_MEMORY_STEP: return command_memory_take(command, from);
    case COMMAND_MEMORY_REPLAY: return command_memory_replay(from);
    case COMMAND_MEMORY_FORGET: return command_memory_forget(from);
    case COMMAND_MEMORY_COUNT: return command_memory_count(from);
#endif
    default: break;
    }
    if (from->unread != 0)
        return WRONG_LENGTH;
    if (command == COMMAND_INFO) {
        command_info();
    } else if (command == COMMAND_READ_STATE) {
        kg_reply(KG_STATUS_OK, kg_state(), KG_STATE_BYTES);
    } else if (command == COMMAND_STACK) {
        const uint32_t bytes = stack_high_water();
        kg_reply(KG_STATUS_OK, &bytes, sizeof bytes);
    } else if (command == COMMAND_COUNTERS) {
        kg_reply(KG_STATUS_OK, kg_get_counters(), sizeof(kg_counters));
    } else {
        return UNKNOWN_COMMAND;
    }
    return DONE;
}

void kg_command_loop(void)
{
    for (;;) {
        uint8_t header[5];
        kg_port_read(header, sizeof header);
        request from = {header[1] | (uint32_t)header[2] << 8 | (uint32_t)header[3] << 16 |
                        (uint32_t)header[4] << 24};
        if (header[0] == COMMAND_EXIT && from.unread == 0) {
            kg_reply(KG_STATUS_OK, NULL, 0);
            return;
        }
        const int32_t refusal = execute(header[0], &from);
        if (refusal != DONE)
            refuse(&from, refusal);
    }
}
