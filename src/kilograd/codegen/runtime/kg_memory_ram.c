/* Samples in RAM: slots of KG_MEMORY_SAMPLE_BYTES. */
#include <stddef.h>
#include <string.h>

#include "kg_memory_place.h"

static uint8_t *slots;

static uint8_t *slot_at(uint32_t slot)
{
    return slots + slot * KG_MEMORY_SAMPLE_BYTES;
}

static int32_t find(uint32_t slot, kg_memory_header *header)
{
    memcpy(header, slot_at(slot), sizeof *header);
    return header->number != KG_MEMORY_NONE;
}

static kg_status drop(uint32_t slot)
{
    const uint32_t number = KG_MEMORY_NONE;
    memcpy(slot_at(slot) + offsetof(kg_memory_header, number), &number, sizeof number);
    return KG_OK;
}

static kg_status put(const kg_memory_header *header)
{
    kg_memory_header other;
    uint32_t slot = 0;
    while (find(slot, &other))
        slot++;
    memcpy(slot_at(slot), header, sizeof *header);
    kg_memory_move(slot_at(slot) + sizeof *header, 0, KG_BOUNDARY_BYTES, 0);
    return KG_OK;
}

static kg_status get(uint32_t slot)
{
    kg_memory_header header;
    find(slot, &header);
    kg_memory_move(slot_at(slot) + sizeof header, 0, KG_BOUNDARY_BYTES, 1);
    if (header.crc == kg_memory_crc(&header))
        return KG_OK;
    drop(slot);
    return KG_ERROR_DAMAGED;
}

static const kg_memory_place ram = {find, put, drop, get};

kg_status kg_memory_in_ram(void *memory, uint32_t bytes, uint32_t per_class)
{
    const uint32_t count = bytes / KG_MEMORY_SAMPLE_BYTES;
    if (KG_IS_BUSY)
        return KG_ERROR_BUSY;
    slots = memory;
    for (uint32_t slot = 0; slot < count; slot++)
        drop(slot);
    return kg_memory_begin(&ram, count, count, per_class);
}
