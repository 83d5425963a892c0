/* A flash for what is saved that outlives the emulator: FLASH_KIND at FLASH_ORIGIN. */
#ifndef LASTING_H
#define LASTING_H

#include <string.h>

#include "kg_storage.h"
#include "uarts.h"

#define FLASH_CFI 1  /* two chips of 16 bits with the commands of Intel */
#define FLASH_FILE 2 /* memory behind which there is a file */

#if FLASH_KIND == FLASH_CFI
#define PAGE 0x40000u
#else
#define PAGE 4096u
#endif
#define GRANULE 4u
#define SLOTS 3u
#define SLOT_BYTES ((KG_STATE_BYTES + 64u + PAGE - 1u) / PAGE * PAGE)

static volatile uint32_t *word_at(uint32_t offset)
{
    return &AT(uint32_t, FLASH_ORIGIN + offset);
}

/* As slow as no flash is, so that there is time to cut the power. */
static void take_a_while(void)
{
    const uint32_t began = uart_ticks(NULL);
    while (uart_ticks(NULL) - began < TICKS_PER_SECOND / 2000u)
        continue;
}

static int32_t lasting_read(void *context, uint32_t offset, void *to, uint32_t bytes)
{
    (void)context;
    memcpy(to, (const uint8_t *)(uintptr_t)FLASH_ORIGIN + offset, bytes);
    return 0;
}

#if FLASH_KIND == FLASH_CFI

#define BOTH(command) ((command) * 0x00010001u)

static void order(uint32_t offset, uint32_t first, uint32_t second)
{
    *word_at(offset) = first;
    *word_at(offset) = second;
    while ((*word_at(offset) & BOTH(0x80u)) != BOTH(0x80u))
        continue;
    *word_at(offset) = BOTH(0xFFu); /* what is read is memory again, not its status */
}

static void program_word(uint32_t offset, uint32_t word)
{
    order(offset, BOTH(0x40u), word);
}

static int32_t lasting_erase(void *context, uint32_t offset)
{
    (void)context;
    order(offset, BOTH(0x60u), BOTH(0xD0u)); /* unlocks it */
    order(offset, BOTH(0x20u), BOTH(0xD0u));
    return 0;
}

#else

static void program_word(uint32_t offset, uint32_t word)
{
    *word_at(offset) &= word;
}

static int32_t lasting_erase(void *context, uint32_t offset)
{
    (void)context;
    memset((uint8_t *)(uintptr_t)FLASH_ORIGIN + offset, 0xFF, PAGE);
    return 0;
}

#endif

static int32_t lasting_program(void *context, uint32_t offset, const void *from, uint32_t bytes)
{
    (void)context;
    for (uint32_t at = 0; at < bytes; at += GRANULE) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)from + at, sizeof word);
        program_word(offset + at, word);
        take_a_while();
    }
    return 0;
}

static const kg_flash flash = {SLOTS * SLOT_BYTES, PAGE,          GRANULE, lasting_read,
                               lasting_program,    lasting_erase, NULL};

#endif
