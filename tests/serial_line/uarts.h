/* UARTs of boards that QEMU emulates, asked again and again. */
#ifndef UARTS_H
#define UARTS_H

#include <stdint.h>

#define AT(type, address) (*(volatile type *)(uintptr_t)(address))

#ifdef __riscv /* a 16550 at 0x10000000, and a counter of 10 MHz: QEMU's virt */

static void uart_open(void)
{
    AT(uint8_t, 0x10000002) = 1; /* FIFOs on */
}

static int32_t uart_read(void *context)
{
    (void)context;
    return (AT(uint8_t, 0x10000005) & 1) != 0 ? AT(uint8_t, 0x10000000) : -1;
}

static void uart_write(void *context, const uint8_t *bytes, uint32_t count)
{
    (void)context;
    for (; count > 0; count--) {
        while ((AT(uint8_t, 0x10000005) & 0x20) == 0)
            continue;
        AT(uint8_t, 0x10000000) = *bytes++;
    }
}

static uint32_t uart_ticks(void *context)
{
    (void)context;
    return AT(uint32_t, 0x0200BFF8);
}

#define TICKS uart_ticks
#define TICKS_PER_SECOND 10000000u

#else /* a CMSDK UART at 0x40004000: Arm's MPS2 boards */

static void uart_open(void)
{
    AT(uint32_t, 0x40004010) = 217; /* 115,200 baud at 25 MHz */
    AT(uint32_t, 0x40004008) = 3;   /* both directions on */
}

static int32_t uart_read(void *context)
{
    (void)context;
    return (AT(uint32_t, 0x40004004) & 2) != 0 ? (int32_t)AT(uint32_t, 0x40004000) : -1;
}

static void uart_write(void *context, const uint8_t *bytes, uint32_t count)
{
    (void)context;
    for (; count > 0; count--) {
        while ((AT(uint32_t, 0x40004004) & 1) != 0)
            continue;
        AT(uint32_t, 0x40004000) = *bytes++;
    }
}

#define TICKS NULL
#define TICKS_PER_SECOND 0u

#endif

#endif
