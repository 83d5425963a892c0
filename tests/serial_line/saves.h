/* A flash for what is saved, in RAM. */
#ifndef SAVES_H
#define SAVES_H

#include <string.h>

#include "kg_storage.h"

#define PAGE 256u
#define SLOTS 3u
#define SLOT_BYTES ((KG_STATE_BYTES + 64u + PAGE - 1u) / PAGE * PAGE)

static uint8_t saves[SLOTS * SLOT_BYTES];

static int32_t saves_read(void *context, uint32_t offset, void *to, uint32_t bytes)
{
    (void)context;
    memcpy(to, saves + offset, bytes);
    return 0;
}

static int32_t saves_program(void *context, uint32_t offset, const void *from, uint32_t bytes)
{
    (void)context;
    memcpy(saves + offset, from, bytes);
    return 0;
}

static int32_t saves_erase(void *context, uint32_t offset)
{
    (void)context;
    memset(saves + offset, 0xFF, PAGE);
    return 0;
}

static const kg_flash flash = {sizeof saves, PAGE, 4, saves_read, saves_program, saves_erase, NULL};

#endif
