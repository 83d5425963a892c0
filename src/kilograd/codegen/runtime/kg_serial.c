#include "kg_serial.h"

#include <string.h>

#include "kg_compiler.h"
#include "kg_crc32.h"
#include "kg_network.h"

/* A frame: where its fields begin. Data and the CRC-32 of all before follow; then it is encoded so
   that no byte of it is 0, with zeros around it. */
enum { KIND = 0, SEQUENCE = 1, VALUE = 5, DATA = 9, CRC_BYTES = 4 };

#define AROUND 3u /* a zero before, the first code, a zero after */
#define LONGEST (KG_SERIAL_FRAME_BYTES - AROUND)

#if KG_SERIAL_DATA > 240
#error "a longer frame would need a second code"
#endif

/* Requests; docs/serial.md says what value and data are. Those from PREDICT on may take long. */
enum {
    HELLO = 1,
    INIT = 2,
    SAMPLE = 3,
    READ_LOGITS = 4,
    READ_STATE = 5,
    WRITE_BEGIN = 6,
    WRITE_STATE = 7,
    SET_CLASSES = 8,
    COUNTERS = 9,
    PREDICT = 32,
    TRAIN = 33,
    STATE_CRC = 34,
    WRITE_END = 35,
    SAVE = 36,
    LOAD = 37,
    SELFTEST = 38,
    MEMORY_BEGIN = 39,
    MEMORY_KEEP = 40,
    MEMORY_STEP = 41,
    MEMORY_REPLAY = 42,
    MEMORY_FORGET = 43,
    MEMORY_COUNT = 44
};

/* Answers: the request's kind with this bit, or one of the other two. */
enum { ANSWER = 0x80, NO_SESSION = 0xFE, BUSY = 0xFF };

/* Why a request is refused: a negative kg_status, or one of these. */
enum { DONE = 0, WRONG_LENGTH = 1, UNKNOWN_REQUEST = 2, OUT_OF_PLACE = 3 };

/* Flags of HELLO: what labels are, and what there is. */
#if defined KG_LABEL_SETS
#define LABELS 1u
#elif defined KG_VALUE
#define LABELS 32u
#elif defined KG_ANOMALY
#define LABELS 64u
#else
#define LABELS 0u
#endif
enum { HAS_ROW_INPUT = 2, HAS_STORAGE = 4, HAS_TICKS = 8, HAS_MEMORY = 16 };

#define NAME KG_MODEL_NAME ", " KG_SCHEME_NAME
#define NAME_BYTES (sizeof NAME - 1 < 200 ? sizeof NAME - 1 : 200)

/* What comes in pieces. */
enum { NOTHING = 0, A_SAMPLE, A_STATE, LOGITS };

static struct {
    uint32_t last;  /* number of the request that was executed last */
    uint32_t given; /* bytes that have come of a sample or a state */
    uint32_t ticks; /* of the last prediction or step */
    uint16_t sent;
    uint8_t received, has_session, pieces;
    uint8_t in[LONGEST + 2];
    uint8_t
        out[KG_SERIAL_FRAME_BYTES]; /* the last answer, which is sent again if asked for again */
} line;

static uint32_t word_at(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Completes a frame whose data begins at frame[2 + DATA]; its whole length. */
static KG_SMALL uint32_t finish(uint8_t *frame, uint8_t kind, uint32_t sequence, int32_t value,
                                uint32_t bytes)
{
    uint8_t *const content = frame + 2;
    const uint32_t end = 2 + DATA + bytes + CRC_BYTES;
    content[KIND] = kind;
    memcpy(content + SEQUENCE, &sequence, sizeof sequence);
    memcpy(content + VALUE, &value, sizeof value);
    const uint32_t crc = kg_crc32(0, content, DATA + bytes);
    memcpy(content + DATA + bytes, &crc, sizeof crc);
    frame[0] = 0;
    frame[end] = 0;
    uint32_t code = 1;
    for (uint32_t at = 2; at <= end; at++) {
        if (frame[at] == 0) {
            frame[code] = (uint8_t)(at - code);
            code = at;
        }
    }
    return end + 1;
}

static KG_SMALL void send_short(const kg_serial_port *port, uint8_t kind, uint32_t sequence)
{
    uint8_t frame[DATA + CRC_BYTES + AROUND];
    port->write(port->context, frame, finish(frame, kind, sequence, 0, 0));
}

/* Decodes what has come, in place: how many bytes of data are in it, or -1 where it is no frame. */
static KG_SMALL int32_t decode(uint8_t *bytes, uint32_t count)
{
    uint32_t end = 0;
    for (uint32_t at = 0; at < count;) {
        const uint32_t next = at + bytes[at];
        if (next > count)
            return -1;
        for (at++; at < next; at++)
            bytes[end++] = bytes[at];
        if (next < count)
            bytes[end++] = 0;
    }
    if (end < DATA + CRC_BYTES || end > LONGEST)
        return -1;
    end -= CRC_BYTES;
    return kg_crc32(0, bytes, end) == word_at(bytes + end) ? (int32_t)(end - DATA) : -1;
}

/* A piece of something that is read: into the answer. */
static uint32_t piece(const void *from, uint32_t whole, uint32_t offset)
{
    if (offset >= whole)
        return 0;
    const uint32_t left = whole - offset, count = left < KG_SERIAL_DATA ? left : KG_SERIAL_DATA;
    memcpy(line.out + 2 + DATA, (const uint8_t *)from + offset, count);
    return count;
}

/* Whether a piece that comes is the next one. */
static int fits(uint8_t what, uint32_t whole, uint32_t offset, uint32_t bytes)
{
    return line.pieces == what && offset == line.given && bytes > 0 && bytes <= whole - offset;
}

#ifdef KG_ROW_INPUT
static void take_rows(const uint8_t *data, uint32_t bytes)
{
    static int8_t row[KG_ROW_BYTES];
    static uint32_t there;
    if (line.given == 0)
        there = 0;
    while (bytes > 0) {
        const uint32_t missing = KG_ROW_BYTES - there, count = bytes < missing ? bytes : missing;
        memcpy(row + there, data, count);
        data += count;
        bytes -= count;
        there += count;
        if (there == KG_ROW_BYTES) {
            kg_push_rows(row, 1);
            there = 0;
        }
    }
}
#endif

static int32_t take_sample(uint32_t offset, const uint8_t *data, uint32_t bytes)
{
    if (offset == 0) {
        kg_begin();
        line.pieces = A_SAMPLE;
        line.given = 0;
    }
    if (!fits(A_SAMPLE, KG_INPUT_BYTES, offset, bytes))
        return OUT_OF_PLACE;
#ifdef KG_ROW_INPUT
    take_rows(data, bytes);
#else
    memcpy(kg_arena + KG_INPUT_OFFSET + offset, data, bytes);
    if (offset + bytes == KG_INPUT_BYTES)
        kg_input();
#endif
    line.given += bytes;
    return DONE;
}

static int32_t take_state(uint32_t offset, const uint8_t *data, uint32_t bytes)
{
    if (!fits(A_STATE, KG_STATE_BYTES, offset, bytes))
        return OUT_OF_PLACE;
    memcpy(kg_state_buffer + offset, data, bytes);
    line.given += bytes;
    return DONE;
}

/* Only now is it a state; until then it is half this one, half another. */
static int32_t end_of_state(uint32_t crc)
{
    if (line.pieces != A_STATE || line.given != KG_STATE_BYTES)
        return OUT_OF_PLACE;
    line.pieces = NOTHING;
    kg_now = (kg_progress){.is_initialized = kg_crc32(0, kg_state_buffer, KG_STATE_BYTES) == crc};
    return kg_now.is_initialized ? DONE : KG_ERROR_DAMAGED;
}

static uint32_t now(const kg_serial_port *port)
{
    return port->ticks != NULL ? port->ticks(port->context) : 0;
}

static int32_t run(const kg_serial_port *port, uint8_t kind, uint32_t value, const uint8_t *data,
                   uint32_t *answered)
{
    kg_learning_rate rate;
    memcpy(&rate, data, sizeof rate);
    const uint32_t began = now(port);
    const int32_t label = (int32_t)value;
    int32_t status = DONE;
    if (kind == PREDICT || kind == TRAIN)
        status = (kind == TRAIN ? kg_train_step(label, rate) : kg_predict()) ? DONE : kg_error();
    else if (kind == MEMORY_REPLAY)
        status = port->memory->replay(rate, value);
    else
        status = kind == MEMORY_STEP ? port->memory->step(label, rate) : port->memory->keep(label);
    line.ticks = now(port) - began;
    if (status < 0)
        return status;
    if (kind == MEMORY_REPLAY) {
        *answered = piece(&status, sizeof status, 0);
        return DONE;
    }
    line.pieces = LOGITS;
    *answered = piece(kg_active_logits(), KG_CLASS_COUNT * sizeof(int32_t), 0);
    return DONE;
}

static int32_t begin_memory(const kg_serial_port *port, uint32_t samples, uint32_t per_class)
{
    const uint32_t each = port->memory->sample_bytes;
    if (samples == 0 || samples > port->samples_bytes / each)
        return KG_ERROR_SPACE;
    return port->memory->begin(port->samples, samples * each, per_class);
}

/* How many samples are there of the classes from `label` on, as many as an answer holds. */
static void count_samples(const kg_serial_port *port, uint32_t label, uint32_t *answered)
{
    for (; label < KG_CLASS_COUNT && *answered < KG_SERIAL_DATA; label++) {
        const uint32_t count = port->memory->count((int32_t)label);
        memcpy(line.out + 2 + DATA + *answered, &count, sizeof count);
        *answered += (uint32_t)sizeof count;
    }
}

static void say_hello(const kg_serial_port *port, uint32_t *answered)
{
    uint32_t about[] = {KG_SERIAL_VERSION, KG_MODEL_ID,    KG_INPUT_BYTES, KG_CLASS_COUNT,
                        KG_STATE_BYTES,    KG_ARENA_BYTES, LABELS,         port->ticks_per_second};
#ifdef KG_ROW_INPUT
    about[6] |= HAS_ROW_INPUT;
#endif
    if (port->save != NULL && port->load != NULL)
        about[6] |= HAS_STORAGE;
    if (port->ticks != NULL)
        about[6] |= HAS_TICKS;
    if (port->memory != NULL)
        about[6] |= HAS_MEMORY;
    memcpy(line.out + 2 + DATA, about, sizeof about);
    memcpy(line.out + 2 + DATA + sizeof about, NAME, NAME_BYTES);
    *answered = sizeof about + NAME_BYTES;
}

static uint32_t data_bytes(uint8_t kind)
{
    if (kind == MEMORY_BEGIN)
        return (uint32_t)sizeof(uint32_t);
    const int has_rate = kind == TRAIN || kind == MEMORY_STEP || kind == MEMORY_REPLAY;
    return has_rate ? (uint32_t)sizeof(kg_learning_rate) : 0;
}

/* Returns why the request is refused, or DONE; `answered` is how many bytes of data the answer has.
 */
static KG_SMALL int32_t execute(const kg_serial_port *port, uint8_t kind, uint32_t value,
                                uint32_t bytes, uint32_t *answered)
{
    const uint8_t *const data = line.in + DATA;
    uint32_t word;
    *answered = 0;
    if (kind == SAMPLE)
        return take_sample(value, data, bytes);
    if (kind == WRITE_STATE)
        return take_state(value, data, bytes);
    if (bytes != data_bytes(kind))
        return WRONG_LENGTH;
    if (kind >= MEMORY_BEGIN && port->memory == NULL)
        return UNKNOWN_REQUEST;
    if (kind == WRITE_END)
        return end_of_state(value);
    if (kind != READ_LOGITS)
        line.pieces = NOTHING;
    switch (kind) {
    case HELLO: say_hello(port, answered); return DONE;
    case INIT: kg_init(value); return DONE;
    case SET_CLASSES: return kg_set_classes(value);
    case PREDICT:
    case TRAIN:
    case MEMORY_KEEP:
    case MEMORY_STEP:
    case MEMORY_REPLAY: return run(port, kind, value, data, answered);
    case READ_LOGITS:
        if (line.pieces != LOGITS)
            return OUT_OF_PLACE;
        *answered = piece(kg_active_logits(), KG_CLASS_COUNT * sizeof(int32_t), value);
        return DONE;
    case COUNTERS:
        *answered = piece(&kg_counted, sizeof kg_counted, 0);
        memcpy(line.out + 2 + DATA + *answered, &line.ticks, sizeof line.ticks);
        *answered += (uint32_t)sizeof line.ticks;
        return DONE;
    case WRITE_BEGIN:
        kg_now.is_initialized = 0;
        line.pieces = A_STATE;
        line.given = 0;
        return DONE;
    case SELFTEST: return kg_selftest();
    case READ_STATE:
    case STATE_CRC:
        if (!kg_now.is_initialized)
            return KG_ERROR_NOT_INITIALIZED;
        word = kind == STATE_CRC ? kg_crc32(0, kg_state_buffer, KG_STATE_BYTES) : 0;
        *answered = kind == STATE_CRC ? piece(&word, sizeof word, 0)
                                      : piece(kg_state_buffer, KG_STATE_BYTES, value);
        return DONE;
    case SAVE: return port->save != NULL ? port->save(port->flash, port->slots) : UNKNOWN_REQUEST;
    case LOAD:
        return port->load != NULL ? port->load(port->flash, port->slots, value) : UNKNOWN_REQUEST;
    case MEMORY_BEGIN: return begin_memory(port, value, word_at(data));
    case MEMORY_FORGET: return port->memory->forget((int32_t)value);
    case MEMORY_COUNT: count_samples(port, value, answered); return DONE;
    default: return UNKNOWN_REQUEST;
    }
}

/* Returns whether the request was executed. */
static KG_SMALL int32_t answer(const kg_serial_port *port, uint32_t bytes)
{
    const uint8_t kind = line.in[KIND];
    const uint32_t sequence = word_at(line.in + SEQUENCE);
    int32_t is_new = 0;
    if (kind == HELLO) {
        line.has_session = 1;
        line.pieces = NOTHING;
        line.last = sequence - 1;
    }
    if (!line.has_session || (sequence != line.last && sequence != line.last + 1)) {
        send_short(port, NO_SESSION, sequence);
        return 0;
    }
    if (sequence != line.last) {
        uint32_t answered;
        is_new = 1;
        line.last = sequence;
        if (kind >= PREDICT)
            send_short(port, BUSY, sequence);
        const int32_t status = execute(port, kind, word_at(line.in + VALUE), bytes, &answered);
        line.sent = (uint16_t)finish(line.out, kind | ANSWER, sequence, status, answered);
    }
    port->write(port->context, line.out, line.sent);
    return is_new;
}

KG_SMALL int32_t kg_serial_poll(const kg_serial_port *port)
{
    if (KG_IS_BUSY) /* within kg_yield: what comes waits */
        return 0;
    for (uint32_t i = 0; i < KG_SERIAL_FRAME_BYTES; i++) {
        const int32_t byte = port->read(port->context);
        if (byte < 0)
            return 0;
        if (byte != 0) {
            if (line.received < sizeof line.in) /* the last place: what is too long is no frame */
                line.in[line.received++] = (uint8_t)byte;
            continue;
        }
        const int32_t bytes = decode(line.in, line.received);
        line.received = 0;
        if (bytes >= 0 && answer(port, (uint32_t)bytes))
            return 1;
    }
    return 0;
}
