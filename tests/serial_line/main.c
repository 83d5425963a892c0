/* A firmware that does what a PC asks it for, and begins with what it saved last. */
#include "kg_serial_memory.h"
#ifdef FLASH_KIND
#include "lasting.h"
#else
#include "saves.h"
#endif
#include "uarts.h"

static uint32_t room[16 * 1024 / 4];

int main(void)
{
    static const kg_serial_port port = {
        .read = uart_read,
        .write = uart_write,
        .ticks = TICKS,
        .ticks_per_second = TICKS_PER_SECOND,
        .flash = &flash,
        .slots = SLOTS,
        .save = kg_storage_save,
        .load = kg_storage_load,
        .memory = &kg_serial_ram_memory,
        .samples = room,
        .samples_bytes = sizeof room,
    };
    uart_open();
    kg_init(0);
    kg_storage_load(&flash, SLOTS, 0);
    for (;;)
        kg_serial_poll(&port);
}
