/* Between kg_memory.c, which says what is kept, and the places where it can be. */
#ifndef KG_MEMORY_PLACE_H
#define KG_MEMORY_PLACE_H

#include "kg_boundary.h"
#include "kg_memory.h"

#define KG_MEMORY_NONE UINT32_MAX

/* Streams of random numbers, counted down from -1; nodes of a step have those from 0 up. */
#define KG_MEMORY_KEEPING 1
#define KG_MEMORY_DRAWING 2

/* Samples of a class are counted up to this. */
#define KG_MEMORY_MOST_SEEN 65535

/* What stands before a sample, KG_MEMORY_HEADER_BYTES. */
typedef struct {
    uint32_t crc;    /* of all that follows, begun with the model's number */
    uint32_t number; /* of the sample among all that came; KG_MEMORY_NONE: the slot is free */
    uint16_t label;
    uint16_t seen; /* how many of its class had come by then, at most KG_MEMORY_MOST_SEEN */
} kg_memory_header;

typedef struct {
    /* Whether a sample is in a slot; then its header. */
    int32_t (*find)(uint32_t slot, kg_memory_header *header);
    /* The sample in the arena into a free slot. */
    kg_status (*put)(const kg_memory_header *header);
    kg_status (*drop)(uint32_t slot);
    /* Into the arena. */
    kg_status (*get)(uint32_t slot);
} kg_memory_place;

extern uint32_t kg_memory_slots;

/* Begins with what is there, in so many slots, of which so many can be taken. Without slots there
   is no memory any more. */
kg_status kg_memory_begin(const kg_memory_place *place, uint32_t slots, uint32_t capacity,
                          uint32_t per_class);

/* Bytes of the sample in the arena, from `at` on, out of it or into it. */
void kg_memory_move(uint8_t *piece, uint32_t at, uint32_t bytes, int into_arena);

/* CRC of a header and of the sample in the arena. */
uint32_t kg_memory_crc(const kg_memory_header *header);

#endif
