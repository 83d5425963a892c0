/* The port of the emulated board: a controller of flash in front of its memory. */
#include <stddef.h>

#include "kg_storage.h"
#include "port.h"

enum { COMMAND_READ = 1, COMMAND_PROGRAM = 2, COMMAND_ERASE = 3, COMMAND_REPORT = 4 };

typedef struct {
    settings chosen;
    uint32_t offset, address, bytes;
    int32_t status;
    uint32_t command; /* writing it starts the command, which is over with the next instruction */
} controller;

#define CONTROLLER ((volatile controller *)0x40000000u)

static int32_t run(uint32_t command, uint32_t offset, const volatile void *at, uint32_t bytes)
{
    CONTROLLER->offset = offset;
    CONTROLLER->address = (uint32_t)(uintptr_t)at;
    CONTROLLER->bytes = bytes;
    CONTROLLER->command = command;
    return CONTROLLER->status;
}

settings port_settings(void)
{
    const settings chosen = {CONTROLLER->chosen.bytes, CONTROLLER->chosen.page,
                             CONTROLLER->chosen.granule, CONTROLLER->chosen.slots,
                             CONTROLLER->chosen.steps};
    return chosen;
}

void port_report(uint32_t event, int32_t value)
{
    run(COMMAND_REPORT, event, kg_state(), (uint32_t)value);
}

int32_t port_read(void *context, uint32_t offset, void *to, uint32_t bytes)
{
    (void)context;
    return run(COMMAND_READ, offset, to, bytes);
}

int32_t port_program(void *context, uint32_t offset, const void *from, uint32_t bytes)
{
    (void)context;
    const uint32_t granule = CONTROLLER->chosen.granule;
    int32_t error = 0;
    for (uint32_t at = 0; at < bytes && error == 0; at += granule)
        error = run(COMMAND_PROGRAM, offset + at, (const uint8_t *)from + at, granule);
    return error;
}

int32_t port_erase(void *context, uint32_t offset)
{
    (void)context;
    return run(COMMAND_ERASE, offset, NULL, 0);
}

/* Linked although nothing calls it: the emulator jumps here once startup is done. */
__attribute__((section(".kg_vectors"), used)) static void (*const entry)(void) = application;
