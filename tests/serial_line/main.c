/* A firmware that does what a PC asks it for. */
#include "kg_serial.h"
#include "saves.h"
#include "uarts.h"

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
    };
    uart_open();
    for (;;)
        kg_serial_poll(&port);
}
