#include "kg_storage.h"

#include <stddef.h>
#include <string.h>

#include "kg_compiler.h"
#include "kg_crc32.h"
#include "kg_network.h"

#define MAGIC UINT32_C(0x5653474B) /* "KGSV" */
#define LARGEST_GRANULE 256

/* Programmed last, in granules of its own at the end of a slot: there it is found whatever the
   size of the state, so that a save of another model is known as one. */
typedef struct {
    uint32_t magic, model, bytes;
    uint32_t sequence; /* from 1 on: no flash lives for 2^32 saves */
    uint32_t crc;      /* of the fields above and of the state */
} commit_record;

/* What is found in a region. */
typedef struct {
    uint32_t slot_bytes;
    uint32_t room;     /* of a slot: all before its record */
    uint32_t below;    /* saves with this number or a later one are passed over */
    uint32_t newest;   /* offset of the newest save's slot, where there is one */
    uint32_t oldest;   /* offset of the slot that may be lost: the first without a whole save of
                          this model, or else that with the oldest */
    uint32_t sequence; /* of the newest save; 0 where there is none */
    uint32_t crc;
} survey;

static KG_SMALL uint32_t record_crc(const commit_record *record)
{
    return kg_crc32(0, (const uint8_t *)record, offsetof(commit_record, crc));
}

/* The record that makes a whole save of the state in memory. */
static KG_SMALL void make_record(commit_record *record, uint32_t sequence)
{
    record->magic = MAGIC;
    record->model = KG_MODEL_ID;
    record->bytes = KG_STATE_BYTES;
    record->sequence = sequence;
    record->crc = kg_crc32(record_crc(record), kg_state_buffer, KG_STATE_BYTES);
}

static KG_SMALL kg_status divide(const kg_flash *flash, uint32_t slots, survey *found)
{
    const uint32_t inside = flash->granule_bytes - 1;
    if (!kg_now.is_initialized)
        return KG_NOT_READY;
    if (inside >= LARGEST_GRANULE || (flash->granule_bytes & inside) != 0 ||
        flash->page_bytes == 0 || (flash->page_bytes & inside) != 0)
        return KG_ERROR_PAGES;
    if (slots < 2)
        return KG_ERROR_SLOTS;
    found->slot_bytes = flash->bytes / slots;
    if (found->slot_bytes * slots != flash->bytes || found->slot_bytes % flash->page_bytes != 0)
        return KG_ERROR_SLOTS;
    const uint32_t record_bytes = ((uint32_t)sizeof(commit_record) + inside) & ~inside;
    if (found->slot_bytes < record_bytes + KG_STATE_BYTES)
        return KG_ERROR_SPACE;
    found->room = found->slot_bytes - record_bytes;
    found->below = UINT32_MAX;
    return KG_OK;
}

/* KG_OK where a slot holds a whole save of this model, or why it does not. */
static kg_status examine(const kg_flash *flash, uint32_t slot, uint32_t room, commit_record *record)
{
    uint8_t piece[32];
    if (flash->read(flash->context, slot + room, record, sizeof *record) != 0)
        return KG_ERROR_FLASH;
    if (record->magic == UINT32_MAX)
        return KG_ERROR_EMPTY;
    if (record->magic != MAGIC || record->bytes > room)
        return KG_ERROR_DAMAGED;
    uint32_t crc = record_crc(record), left = record->bytes;
    while (left != 0) {
        const uint32_t count = left < sizeof piece ? left : (uint32_t)sizeof piece;
        if (flash->read(flash->context, slot, piece, count) != 0)
            return KG_ERROR_FLASH;
        crc = kg_crc32(crc, piece, count);
        slot += count;
        left -= count;
    }
    if (crc != record->crc)
        return KG_ERROR_DAMAGED;
    return record->model == KG_MODEL_ID && record->bytes == KG_STATE_BYTES ? KG_OK : KG_ERROR_MODEL;
}

/* Looks at all slots. KG_OK where there is a save, or why there is none. */
static KG_SMALL kg_status look(const kg_flash *flash, survey *found)
{
    commit_record record;
    uint32_t least = UINT32_MAX;
    kg_status result = KG_ERROR_EMPTY;
    found->sequence = 0;
    for (uint32_t slot = 0; slot < flash->bytes; slot += found->slot_bytes) {
        const kg_status status = examine(flash, slot, found->room, &record);
        if (status != KG_OK)
            record.sequence = 0;
        if (record.sequence < least) {
            least = record.sequence;
            found->oldest = slot;
        }
        if (record.sequence >= found->below)
            continue;
        if (status > result)
            result = status;
        if (record.sequence > found->sequence) {
            found->sequence = record.sequence;
            found->crc = record.crc;
            found->newest = slot;
        }
    }
    return result;
}

/* The last granule is filled up with what erased flash holds. 0 once all is done. */
static KG_SMALL int32_t put(const kg_flash *flash, uint32_t offset, const void *from,
                            uint32_t bytes)
{
    uint8_t last[LARGEST_GRANULE];
    const uint32_t rest = bytes & (flash->granule_bytes - 1), whole = bytes - rest;
    int32_t error = 0;
    if (whole != 0)
        error = flash->program(flash->context, offset, from, whole);
    if (error != 0 || rest == 0)
        return error;
    memset(last, 0xFF, sizeof last);
    memcpy(last, (const uint8_t *)from + whole, rest);
    return flash->program(flash->context, offset + whole, last, flash->granule_bytes);
}

/* The order is what makes a loss of power harmless: no save is touched but the oldest, and the
   record comes last. */
static kg_status save(const kg_flash *flash, uint32_t slots)
{
    survey found;
    commit_record record;
    const kg_status status = divide(flash, slots, &found);
    if (status != KG_OK)
        return status;
    look(flash, &found);
    const uint32_t slot = found.oldest;
    make_record(&record, found.sequence + 1);
    for (uint32_t page = found.slot_bytes; page != 0;) {
        page -= flash->page_bytes;
        if (flash->erase(flash->context, slot + page) != 0)
            return KG_ERROR_FLASH;
    }
    if (put(flash, slot, kg_state_buffer, KG_STATE_BYTES) != 0 ||
        put(flash, slot + found.room, &record, sizeof record) != 0 ||
        look(flash, &found) != KG_OK || found.newest != slot || found.crc != record.crc)
        return KG_ERROR_FLASH;
    return KG_OK;
}

static kg_status load(const kg_flash *flash, uint32_t slots, uint32_t back)
{
    survey found;
    commit_record record;
    kg_status status = divide(flash, slots, &found);
    while (status == KG_OK) {
        status = look(flash, &found);
        if (back-- == 0)
            break;
        found.below = found.sequence;
    }
    if (status != KG_OK)
        return status;
    memset(&kg_counted, 0, sizeof kg_counted);
    kg_now.rows = 0; /* rows may have run with what was learned before */
    const int32_t error =
        flash->read(flash->context, found.newest, kg_state_buffer, KG_STATE_BYTES);
    make_record(&record, found.sequence);
    if (error == 0 && record.crc == found.crc)
        return KG_OK;
    kg_now.is_initialized = 0; /* the state is half this one, half another */
    return KG_ERROR_FLASH;
}

KG_SMALL kg_status kg_storage_save(const kg_flash *flash, uint32_t slots)
{
    const kg_status status = save(flash, slots);
    kg_now.error = (int8_t)status;
    return status;
}

KG_SMALL kg_status kg_storage_load(const kg_flash *flash, uint32_t slots, uint32_t back)
{
    const kg_status status = load(flash, slots, back);
    kg_now.error = (int8_t)status;
    return status;
}
