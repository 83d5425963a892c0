#include "flash_model.h"

#include <string.h>

/* What was last done to a byte. */
enum { ERASED, PROGRAMMED, TORN_PROGRAM, TORN_ERASE };

typedef struct {
    uint8_t bytes[FLASH_MOST_BYTES], marks[FLASH_MOST_BYTES];
} contents;

static contents now, kept;
static uint32_t region, page, granule, torn_reads, operations, cut_at, mistakes, state = 1;

static uint32_t random32(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

void flash_set_up(uint32_t bytes, uint32_t page_bytes, uint32_t granule_bytes, uint32_t torn)
{
    region = bytes;
    page = page_bytes;
    granule = granule_bytes;
    torn_reads = torn;
    mistakes = 0;
    memset(now.bytes, 0xFF, region);
    memset(now.marks, ERASED, region);
}

void flash_power_on(uint32_t cut, uint32_t seed)
{
    operations = 0;
    cut_at = cut;
    state = seed * 2u + 1u;
}

static int is_inside(uint32_t offset, uint32_t bytes, uint32_t unit)
{
    const int is_good =
        offset % unit == 0 && bytes % unit == 0 && offset <= region && bytes <= region - offset;
    mistakes += !is_good;
    return is_good;
}

int32_t flash_read(uint32_t offset, void *to, uint32_t bytes)
{
    if (!is_inside(offset, bytes, 1))
        return FLASH_FAILED;
    memcpy(to, now.bytes + offset, bytes);
    for (uint32_t i = 0; i < bytes; i++) {
        if (now.marks[offset + i] < TORN_PROGRAM || torn_reads == TORN_READS)
            continue;
        if (torn_reads == TORN_FAILS)
            return FLASH_FAILED;
        if (random32() % 8 == 0)
            ((uint8_t *)to)[i] ^= (uint8_t)(1u << random32() % 8);
    }
    return 0;
}

/* Power fails: nothing is done, all, a part of the bits or bytes, or bits that should have stayed
   are cleared, too. */
static void tear_granule(uint8_t *at, const uint8_t *from)
{
    const uint32_t way = random32() % 5, some = random32() % granule;
    for (uint32_t i = 0; i < granule; i++) {
        switch (way) {
        case 0: break;
        case 1: at[i] &= from[i]; break;
        case 2: at[i] &= (uint8_t)(from[i] | random32()); break;
        case 3: at[i] &= i < some ? from[i] : 0xFF; break;
        default: at[i] &= (uint8_t)random32(); break;
        }
    }
    memset(now.marks + (at - now.bytes), TORN_PROGRAM, granule);
}

int32_t flash_program(uint32_t offset, const void *from, uint32_t bytes)
{
    if (!is_inside(offset, bytes, granule))
        return FLASH_FAILED;
    for (uint32_t at = 0; at < bytes; at += granule) {
        uint8_t *const cell = now.bytes + offset + at;
        const uint8_t *const wanted = (const uint8_t *)from + at;
        for (uint32_t i = 0; i < granule; i++)
            mistakes += now.marks[offset + at + i] != ERASED;
        if (operations++ == cut_at) {
            tear_granule(cell, wanted);
            return FLASH_POWER_CUT;
        }
        for (uint32_t i = 0; i < granule; i++)
            cell[i] &= wanted[i];
        memset(now.marks + offset + at, PROGRAMMED, granule);
    }
    return 0;
}

/* Power fails: nothing is done, all, some bits are erased, or a part of the page is. */
static void tear_page(uint8_t *at)
{
    const uint32_t way = random32() % 5, some = random32() % page;
    for (uint32_t i = 0; i < page; i++) {
        switch (way) {
        case 0: break;
        case 1: at[i] = 0xFF; break;
        case 2: at[i] |= (uint8_t)random32(); break;
        case 3: at[i] |= i < some ? 0xFF : 0; break;
        default: at[i] |= i < some ? 0 : 0xFF; break;
        }
    }
    memset(now.marks + (at - now.bytes), TORN_ERASE, page);
}

int32_t flash_erase(uint32_t offset)
{
    if (!is_inside(offset, page, page))
        return FLASH_FAILED;
    if (operations++ == cut_at) {
        tear_page(now.bytes + offset);
        return FLASH_POWER_CUT;
    }
    memset(now.bytes + offset, 0xFF, page);
    memset(now.marks + offset, ERASED, page);
    return 0;
}

uint32_t flash_operations(void)
{
    return operations;
}

uint32_t flash_mistakes(void)
{
    return mistakes;
}

static int32_t is_begun(uint32_t offset, uint32_t bytes)
{
    for (uint32_t i = offset; i < offset + bytes; i++)
        if (now.marks[i] == PROGRAMMED || now.marks[i] == TORN_PROGRAM)
            return 1;
    return 0;
}

static int32_t is_whole(uint32_t offset, uint32_t bytes)
{
    for (uint32_t i = offset; i < offset + bytes; i++)
        if (now.marks[i] != PROGRAMMED)
            return 0;
    return 1;
}

int32_t flash_bodies_are_whole(uint32_t slot_bytes, uint32_t body_bytes, uint32_t record_offset)
{
    for (uint32_t slot = 0; slot < region; slot += slot_bytes)
        if (is_begun(slot + record_offset, slot_bytes - record_offset) &&
            !is_whole(slot, body_bytes))
            return 0;
    return 1;
}

void flash_keep(void)
{
    memcpy(kept.bytes, now.bytes, region);
    memcpy(kept.marks, now.marks, region);
}

void flash_put_back(void)
{
    memcpy(now.bytes, kept.bytes, region);
    memcpy(now.marks, kept.marks, region);
}
