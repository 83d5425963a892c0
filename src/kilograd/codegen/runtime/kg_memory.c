#include "kg_memory.h"

#include <string.h>

#include "kg_crc32.h"
#include "kg_memory_place.h"

typedef char header_has_its_bytes[sizeof(kg_memory_header) == KG_MEMORY_HEADER_BYTES ? 1 : -1];

const uint32_t kg_memory_sample_bytes = KG_MEMORY_SAMPLE_BYTES;

static const kg_memory_place *place;
uint32_t kg_memory_slots;
static uint32_t capacity, total, offered, most_of_class;

/* For each class: how many are there, whether it was once the largest of a full memory, and how
   many have come. */
static uint16_t kept[KG_CLASS_COUNT], seen[KG_CLASS_COUNT];
static uint8_t was_largest[KG_CLASS_COUNT];

KG_SMALL uint32_t kg_memory_crc(const kg_memory_header *header)
{
    uint32_t crc = kg_crc32(KG_MODEL_ID, (const uint8_t *)&header->number,
                            sizeof *header - sizeof header->crc);
    for (uint32_t i = 0; i < kg_boundary_region_count; i++)
        crc = kg_crc32(crc, kg_arena + kg_boundary_regions[i].offset, kg_boundary_regions[i].bytes);
    return crc;
}

KG_SMALL void kg_memory_move(uint8_t *piece, uint32_t at, uint32_t bytes, int into_arena)
{
    for (const kg_region *region = kg_boundary_regions; bytes > 0; region++) {
        if (at >= region->bytes) {
            at -= region->bytes;
            continue;
        }
        const uint32_t rest = region->bytes - at, count = rest < bytes ? rest : bytes;
        uint8_t *const there = kg_arena + region->offset + at;
        memcpy(into_arena ? there : piece, into_arena ? piece : there, count);
        piece += count;
        bytes -= count;
        at = 0;
    }
}

KG_SMALL kg_status kg_memory_begin(const kg_memory_place *at, uint32_t slots, uint32_t most,
                                   uint32_t per_class)
{
    memset(kept, 0, sizeof kept);
    memset(seen, 0, sizeof seen);
    memset(was_largest, 0, sizeof was_largest);
    place = slots > 0 ? at : NULL;
    kg_memory_slots = slots;
    capacity = most;
    total = offered = 0;
    most_of_class =
        per_class > 0 && per_class < KG_MEMORY_MOST_SEEN ? per_class : KG_MEMORY_MOST_SEEN;
    for (uint32_t slot = 0; slot < slots; slot++) {
        kg_memory_header header;
        if (!at->find(slot, &header) || header.label >= KG_CLASS_COUNT)
            continue;
        total++;
        kept[header.label]++;
        if (header.seen > seen[header.label])
            seen[header.label] = header.seen;
        if (header.number >= offered)
            offered = header.number + 1;
    }
    return most > 0 ? KG_OK : KG_ERROR_SPACE;
}

uint32_t kg_memory_capacity(void)
{
    return capacity;
}

uint32_t kg_memory_count(int32_t label)
{
    return (uint32_t)label < KG_CLASS_COUNT ? kept[label] : 0;
}

static uint32_t steps_done(void)
{
    uint32_t steps;
    memcpy(&steps, kg_state_buffer + KG_STATE_STEPS, 4);
    return steps;
}

static uint32_t below(uint32_t random, uint32_t count)
{
    return (uint32_t)(((uint64_t)random * count) >> 32);
}

/* Writes into the step's control, which is made anew for each step. */
static KG_SMALL uint32_t key_of(int32_t stream, uint32_t step)
{
    memcpy(&kg_step_control.seed, kg_state_buffer + KG_STATE_SEED, 4);
    kg_step_control.step = step;
    return kg_random_key(&kg_step_control, stream);
}

/* The slot of the sample of a class whose number gives the smallest random number. */
static KG_SMALL uint32_t choose(uint32_t key, uint32_t label)
{
    uint32_t best = KG_MEMORY_NONE, smallest = UINT32_MAX;
    for (uint32_t slot = 0; slot < kg_memory_slots; slot++) {
        kg_memory_header header;
        if (!place->find(slot, &header) || header.label != label)
            continue;
        const uint32_t random = kg_random(key, header.number);
        if (best == KG_MEMORY_NONE || random < smallest) {
            best = slot;
            smallest = random;
        }
    }
    return best;
}

/* The first of the classes with most samples. */
static uint32_t largest(void)
{
    uint32_t found = 0;
    for (uint32_t label = 1; label < KG_CLASS_COUNT; label++)
        if (kept[label] > kept[found])
            found = label;
    return found;
}

/* A full memory: the classes that are as large as any will only exchange samples of their own. */
static void mark_largest(void)
{
    const uint16_t most = kept[largest()];
    for (uint32_t label = 0; label < KG_CLASS_COUNT; label++)
        was_largest[label] |= kept[label] == most;
}

static KG_SMALL kg_status let_go(uint32_t slot, uint32_t label)
{
    kept[label]--;
    total--;
    return slot != KG_MEMORY_NONE ? place->drop(slot) : KG_ERROR_DAMAGED;
}

/* Keeps the sample whose boundary is in the arena, or not. */
static KG_SMALL kg_status offer(uint32_t label)
{
    const uint32_t key = key_of(-KG_MEMORY_KEEPING, offered);
    kg_memory_header header = {0, offered++, (uint16_t)label, 0};
    uint32_t from = KG_CLASS_COUNT;
    seen[label] =
        (uint16_t)(seen[label] < KG_MEMORY_MOST_SEEN ? seen[label] + 1 : KG_MEMORY_MOST_SEEN);
    header.seen = seen[label];
    const int is_full = total >= capacity;
    if (is_full)
        mark_largest();
    if (kept[label] >= most_of_class || (is_full && was_largest[label])) {
        if (below(kg_random(key, 0), seen[label]) >= kept[label])
            return KG_OK;
        from = label;
    } else if (is_full) {
        from = largest();
    }
    if (from < KG_CLASS_COUNT) {
        const kg_status status = let_go(choose(kg_random(key, 1), from), from);
        if (status != KG_OK)
            return status;
    }
    header.crc = kg_memory_crc(&header);
    const kg_status status = place->put(&header);
    if (status == KG_OK) {
        kept[label]++;
        total++;
    }
    return status;
}

/* How many active classes are there. */
static uint32_t classes_there(void)
{
    uint32_t count = 0;
    for (uint32_t label = 0; label < kg_get_classes(); label++)
        count += kept[label] > 0;
    return count;
}

/* Runs the prefix on the sample and keeps what it makes of it, or not. */
static KG_SMALL kg_status take(int32_t label)
{
    if (place == NULL || !kg_now.is_initialized)
        return KG_NOT_READY;
    if ((uint32_t)label >= kg_get_classes())
        return KG_ERROR_LABEL;
    const kg_status status = kg_prefix();
    return status == KG_OK ? offer((uint32_t)label) : status;
}

int32_t kg_memory_keep(int32_t label)
{
    const kg_status status = take(label);
    return status == KG_OK ? kg_answer(kg_predict_suffix()) : status;
}

KG_SMALL int32_t kg_memory_step(int32_t label, kg_learning_rate rate)
{
    const kg_status status = take(label);
    if (status != KG_OK)
        return status;
    if (classes_there() < 2)
        return kg_answer(kg_predict_suffix());
    return kg_answer(kg_train_step_suffix_at(label, rate, steps_done()));
}

int32_t kg_memory_learn(int32_t label, kg_learning_rate rate)
{
    const int32_t answer = kg_memory_step(label, rate);
    const int32_t drawn = answer < 0 ? KG_ERROR_SAMPLE : kg_memory_replay(rate, steps_done());
    return drawn < 0 && drawn != KG_ERROR_SAMPLE ? drawn : answer;
}

KG_SMALL int32_t kg_memory_replay(kg_learning_rate rate, uint32_t at)
{
    if (place == NULL || !kg_now.is_initialized)
        return KG_NOT_READY;
    const uint32_t classes = classes_there();
    if (classes < 2)
        return KG_ERROR_SAMPLE;
    const uint32_t key = key_of(-KG_MEMORY_DRAWING, steps_done());
    uint32_t label = 0;
    for (uint32_t left = below(kg_random(key, 0), classes) + 1;; label++)
        if (kept[label] > 0 && --left == 0)
            break;
    const uint32_t slot = choose(kg_random(key, 1), label);
    kg_now.rows = 0; /* the sample's place is needed */
    const kg_status status = slot != KG_MEMORY_NONE ? place->get(slot) : KG_ERROR_DAMAGED;
    if (status != KG_OK) {
        kept[label]--;
        total--;
        return status;
    }
    const int32_t *const logits = kg_train_step_suffix_at((int32_t)label, rate, at);
    return logits == NULL ? kg_error() : (int32_t)label;
}

KG_SMALL kg_status kg_consolidate(uint32_t steps, kg_learning_rate rate)
{
    rate.steps = steps;
    for (uint32_t step = 0; step < steps; step++) {
        const int32_t label = kg_memory_replay(rate, step);
        if (label < 0 && label != KG_ERROR_DAMAGED)
            return label;
    }
    return KG_OK;
}

KG_SMALL kg_status kg_memory_forget(int32_t label)
{
    if (place == NULL || KG_IS_BUSY)
        return KG_NOT_READY;
    if ((uint32_t)label >= KG_CLASS_COUNT)
        return KG_ERROR_LABEL;
    for (uint32_t slot = 0; slot < kg_memory_slots; slot++) {
        kg_memory_header header;
        if (!place->find(slot, &header) || header.label != label)
            continue;
        const kg_status status = let_go(slot, (uint32_t)label);
        if (status != KG_OK)
            return status;
    }
    seen[label] = 0;
    was_largest[label] = 0;
    return KG_OK;
}
