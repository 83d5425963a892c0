/* In the place of kilograd's own port and command loop: a UART, and what a PC asks for there. */
#include "kg_serial.h"
#include "port.h"
#include "runtime.h"
#include "uarts.h"

void kg_port_open(void)
{
    uart_open();
}

void kg_port_read(void *to, uint32_t bytes)
{
    for (uint8_t *byte = to; bytes > 0; bytes--) {
        int32_t found;
        do
            found = uart_read(NULL);
        while (found < 0);
        *byte++ = (uint8_t)found;
    }
}

void kg_port_write(const void *from, uint32_t bytes)
{
    uart_write(NULL, from, bytes);
}

void kg_port_exit(uint32_t code)
{
    (void)code;
    for (;;)
        continue;
}

void kg_reply(uint8_t status, const void *payload, uint32_t bytes)
{
    uart_write(NULL, &status, 1);
    uart_write(NULL, payload, bytes);
}

void kg_command_loop(void)
{
    static const kg_serial_port port = {.read = uart_read,
                                        .write = uart_write,
                                        .ticks = TICKS,
                                        .ticks_per_second = TICKS_PER_SECOND};
    for (;;)
        kg_serial_poll(&port);
}
