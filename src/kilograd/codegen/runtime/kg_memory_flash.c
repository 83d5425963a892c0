/* Samples in flash, as a log: what is new goes into the next free slot, what is dropped is marked,
 * and a block that holds much of it is copied without it into one that is kept erased.
 *
 * A slot is a header, the sample and a mark, each in granules of its own. The sample is programmed
 * before the header, so that a header stands before a whole sample, and the mark is erased until
 * the sample is dropped. A block is one page with several slots, or one slot in several pages; in
 * that case none is kept erased, since a dropped sample's own pages take the next one.
 */
#include "kg_memory_flash.h"

#include <string.h>

#include "kg_memory_place.h"

/* The largest granule. */
#define PIECE 256u

static const kg_flash *flash;
static uint32_t header_bytes, slot_bytes, block_bytes, in_block, spare;

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t padded(uint32_t bytes)
{
    return (bytes + flash->granule_bytes - 1) & ~(flash->granule_bytes - 1);
}

static uint32_t address(uint32_t slot)
{
    return slot / in_block * block_bytes + slot % in_block * slot_bytes;
}

static uint32_t mark_of(uint32_t slot)
{
    return address(slot) + slot_bytes - flash->granule_bytes;
}

/* What cannot be read is not erased. */
static KG_SMALL int has_only(uint32_t offset, uint32_t bytes, uint8_t wanted)
{
    for (const uint32_t end = offset + bytes; offset < end;) {
        uint8_t piece[16];
        const uint32_t count = smaller(end - offset, sizeof piece);
        if (flash->read(flash->context, offset, piece, count) != 0)
            return 0;
        for (uint32_t i = 0; i < count; i++)
            if (piece[i] != wanted)
                return 0;
        offset += count;
    }
    return 1;
}

static int32_t find(uint32_t slot, kg_memory_header *header)
{
    return flash->read(flash->context, address(slot), header, sizeof *header) == 0 &&
           header->number != KG_MEMORY_NONE && has_only(mark_of(slot), flash->granule_bytes, 0xFF);
}

static KG_SMALL kg_status drop(uint32_t slot)
{
    uint8_t mark[PIECE];
    memset(mark, 0, sizeof mark);
    const int32_t failed =
        flash->program(flash->context, mark_of(slot), mark, flash->granule_bytes);
    return failed ? KG_ERROR_FLASH : KG_OK;
}

static KG_SMALL kg_status erase_block(uint32_t block)
{
    for (uint32_t at = 0; at < block_bytes; at += flash->page_bytes)
        if (flash->erase(flash->context, block * block_bytes + at) != 0)
            return KG_ERROR_FLASH;
    return KG_OK;
}

/* A sample into the arena: whether it is there and whole. */
static KG_SMALL int load(uint32_t slot)
{
    kg_memory_header header;
    const uint32_t from = address(slot) + header_bytes;
    for (uint32_t at = 0; at < KG_BOUNDARY_BYTES;) {
        uint8_t piece[16];
        const uint32_t count = smaller(KG_BOUNDARY_BYTES - at, sizeof piece);
        if (flash->read(flash->context, from + at, piece, count) != 0)
            return 0;
        kg_memory_move(piece, at, count, 1);
        at += count;
    }
    return find(slot, &header) && header.crc == kg_memory_crc(&header);
}

static kg_status get(uint32_t slot)
{
    if (load(slot))
        return KG_OK;
    drop(slot);
    return KG_ERROR_DAMAGED;
}

/* One slot to another, the header last; or, without `from`, a header and the sample in the arena.
 */
static KG_SMALL kg_status fill(uint32_t slot, const uint32_t *from, const kg_memory_header *header)
{
    const uint32_t to = address(slot), end = slot_bytes - flash->granule_bytes;
    uint8_t piece[PIECE];
    for (uint32_t at = header_bytes; at <= end;) {
        const int is_last = at == end;
        const uint32_t start = is_last ? 0 : at;
        const uint32_t count = smaller(is_last ? header_bytes : end - at, sizeof piece);
        memset(piece, 0xFF, count);
        if (from != NULL) {
            if (flash->read(flash->context, address(*from) + start, piece, count) != 0)
                return KG_ERROR_FLASH;
        } else if (is_last) {
            memcpy(piece, header, sizeof *header);
        } else {
            kg_memory_move(piece, at - header_bytes, count, 0);
        }
        if (flash->program(flash->context, to + start, piece, count) != 0)
            return KG_ERROR_FLASH;
        at += is_last ? 1 : count;
    }
    return KG_OK;
}

/* The first slot that can be filled, without those of the spare block. */
static KG_SMALL uint32_t find_free(void)
{
    for (uint32_t slot = 0; slot < kg_memory_slots; slot++)
        if (slot / in_block != spare && has_only(address(slot), sizeof(kg_memory_header), 0xFF) &&
            has_only(mark_of(slot), flash->granule_bytes, 0xFF))
            return slot;
    return KG_MEMORY_NONE;
}

/* Makes room of what was dropped. */
static KG_SMALL kg_status compact(void)
{
    kg_memory_header header;
    uint32_t chosen = KG_MEMORY_NONE, fewest = in_block;
    for (uint32_t block = 0; block < kg_memory_slots / in_block; block++) {
        uint32_t live = 0;
        for (uint32_t i = 0; i < in_block; i++)
            live += (uint32_t)find(block * in_block + i, &header);
        if (block != spare && live < fewest) {
            fewest = live;
            chosen = block;
        }
    }
    if (chosen == KG_MEMORY_NONE)
        return KG_ERROR_SPACE;
    if (spare != KG_MEMORY_NONE) {
        uint32_t to = spare * in_block;
        for (uint32_t i = 0; i < in_block; i++) {
            const uint32_t slot = chosen * in_block + i;
            if (find(slot, &header) && fill(to++, &slot, NULL) != KG_OK)
                return KG_ERROR_FLASH;
        }
        spare = chosen;
    }
    return erase_block(chosen);
}

static KG_SMALL kg_status put(const kg_memory_header *header)
{
    kg_status status = KG_OK;
    uint32_t slot = find_free();
    if (slot == KG_MEMORY_NONE) {
        status = compact();
        slot = find_free();
    }
    if (status != KG_OK || slot == KG_MEMORY_NONE)
        return status != KG_OK ? status : KG_ERROR_SPACE;
    status = fill(slot, NULL, header);
    if (status != KG_OK)
        drop(slot);
    return status;
}

static const kg_memory_place in_flash = {find, put, drop, get};

/* Whether another block has a sample of this number, too: copying was cut off. */
static KG_SMALL int has_twin(uint32_t slot, uint32_t number)
{
    kg_memory_header header;
    for (uint32_t other = 0; other < kg_memory_slots; other++)
        if (other / in_block != slot / in_block && find(other, &header) && header.number == number)
            return 1;
    return 0;
}

/* Neither free nor dropped nor whole: what a loss of power left, or somebody else. */
static KG_SMALL int is_strange(uint32_t slot, int *has_samples)
{
    const uint32_t mark = mark_of(slot);
    if (has_only(mark, flash->granule_bytes, 0) || has_only(address(slot), slot_bytes, 0xFF))
        return 0;
    if (!load(slot))
        return 1;
    *has_samples = 1;
    return 0;
}

/* Drops what is strange, and ends a copying that was cut off: then one block is erased. */
static KG_SMALL kg_status recover(void)
{
    kg_memory_header header;
    int has_samples = 0, strange = 0;
    for (uint32_t slot = 0; slot < kg_memory_slots; slot++)
        strange |= is_strange(slot, &has_samples);
    if (strange && !has_samples)
        return KG_ERROR_MODEL;
    for (uint32_t slot = 0; strange && slot < kg_memory_slots; slot++)
        if (is_strange(slot, &has_samples) && has_only(mark_of(slot), flash->granule_bytes, 0xFF) &&
            drop(slot) != KG_OK)
            return KG_ERROR_FLASH;
    for (uint32_t first = 0; in_block > 1 && first < kg_memory_slots; first += in_block) {
        uint32_t live = 0, twins = 0;
        for (uint32_t slot = first; slot < first + in_block; slot++)
            if (find(slot, &header)) {
                live++;
                twins += (uint32_t)has_twin(slot, header.number);
            }
        const int is_copy = live > 0 && live == twins;
        if (is_copy && erase_block(first / in_block) != KG_OK)
            return KG_ERROR_FLASH;
        if (is_copy || has_only(first / in_block * block_bytes, block_bytes, 0xFF))
            spare = first / in_block;
    }
    if (in_block == 1 || spare != KG_MEMORY_NONE)
        return KG_OK;
    for (uint32_t first = 0; first < kg_memory_slots; first += in_block) {
        uint32_t live = 0;
        for (uint32_t slot = first; slot < first + in_block; slot++)
            live += (uint32_t)find(slot, &header);
        if (live == 0) {
            spare = first / in_block;
            return erase_block(spare);
        }
    }
    return KG_ERROR_DAMAGED;
}

KG_SMALL kg_status kg_memory_in_flash(const kg_flash *in, uint32_t per_class)
{
    const uint32_t granule = in->granule_bytes, page = in->page_bytes;
    if (KG_IS_BUSY)
        return KG_ERROR_BUSY;
    if (granule == 0 || granule > PIECE || (granule & (granule - 1)) != 0 || page == 0 ||
        page % granule != 0 || in->bytes % page != 0)
        return KG_ERROR_PAGES;
    kg_memory_begin(&in_flash, 0, 0, 0); /* the one before, if any, ends here */
    kg_now.rows = 0;                     /* samples are checked in the arena */
    flash = in;
    header_bytes = padded(sizeof(kg_memory_header));
    slot_bytes = header_bytes + padded(KG_BOUNDARY_BYTES) + granule;
    in_block = page / slot_bytes > 1 ? page / slot_bytes : 1;
    block_bytes = in_block > 1 ? page : (slot_bytes + page - 1) / page * page;
    spare = KG_MEMORY_NONE;
    const uint32_t blocks = in->bytes / block_bytes;
    if (blocks < (in_block > 1 ? 2u : 1u))
        return KG_ERROR_SPACE;
    kg_memory_slots = blocks * in_block;
    const kg_status status = recover();
    const uint32_t capacity = in_block > 1 ? kg_memory_slots - in_block : blocks;
    return status == KG_OK ? kg_memory_begin(&in_flash, kg_memory_slots, capacity, per_class)
                           : status;
}

KG_SMALL kg_status kg_memory_erase(const kg_flash *in)
{
    for (uint32_t at = 0; at < in->bytes; at += in->page_bytes)
        if (in->erase(in->context, at) != 0)
            return KG_ERROR_FLASH;
    return KG_OK;
}
