#ifndef KG_MODEL_H
#define KG_MODEL_H
#include <stddef.h>
#include <stdint.h>

#ifndef INPUTS
#define INPUTS 48
#endif
#ifndef ARENA_PADDING
#define ARENA_PADDING 0
#endif
#define CLASSES 3

typedef struct {
    int8_t input[INPUTS];
    int8_t filtered[INPUTS];
    int32_t logits[CLASSES];
    int8_t padding[ARENA_PADDING + 1];
} arena;

typedef struct {
    uint32_t seed, step, classes;
    int32_t bias[CLASSES];
    int8_t weights[CLASSES * INPUTS];
} state;

#define KG_MODEL_ID 1
#define KG_INPUT_HEIGHT 1
#define KG_ROW_BYTES INPUTS
#define KG_INPUT_BYTES INPUTS
#define KG_CLASS_COUNT CLASSES
#define KG_ARENA_BYTES sizeof(arena)
#define KG_STATE_BYTES sizeof(state)
#define KG_INPUT_OFFSET offsetof(arena, input)
#define KG_LOGITS_OFFSET offsetof(arena, logits)
#define KG_STATE_SEED offsetof(state, seed)
#define KG_STATE_STEPS offsetof(state, step)
#define KG_STATE_CLASSES offsetof(state, classes)
#define KG_BOUNDARY_BYTES INPUTS
#endif
