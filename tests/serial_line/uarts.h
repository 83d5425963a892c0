/* UARTs of boards that QEMU emulates, asked again and again: UART_KIND is one of those below, and
 * UART_BASE its first register. Where the board has a clock, CLOCK is its counter. QEMU needs no
 * pins to be set up, and but for the STM32L4 no clocks. */
#ifndef UARTS_H
#define UARTS_H

#include <stddef.h>
#include <stdint.h>

#define UART_16550 1
#define UART_CMSDK 2
#define UART_STM32 3 /* of STM32F1, F2 and F4 */
#define UART_PL011 4
#define UART_NRF51 5
#define UART_SIFIVE 6
#define UART_STM32L4 7

#define AT(type, address) (*(volatile type *)(uintptr_t)(address))
#define REGISTER(offset) AT(uint32_t, UART_BASE + (offset))

#if UART_KIND == UART_16550

#define BYTE(offset) AT(uint8_t, UART_BASE + (offset))

static void uart_open(void)
{
    BYTE(2) = 1; /* FIFOs on */
}

static int32_t uart_read(void *context)
{
    (void)context;
    return (BYTE(5) & 1) != 0 ? BYTE(0) : -1;
}

static void put(uint8_t byte)
{
    while ((BYTE(5) & 0x20) == 0)
        continue;
    BYTE(0) = byte;
}

#elif UART_KIND == UART_CMSDK

static void uart_open(void)
{
    REGISTER(16) = 217; /* 115,200 baud at 25 MHz */
    REGISTER(8) = 3;    /* both directions on */
}

static int32_t uart_read(void *context)
{
    (void)context;
    return (REGISTER(4) & 2) != 0 ? (int32_t)REGISTER(0) : -1;
}

static void put(uint8_t byte)
{
    while ((REGISTER(4) & 1) != 0)
        continue;
    REGISTER(0) = byte;
}

#elif UART_KIND == UART_STM32

static void uart_open(void)
{
    REGISTER(8) = 139;                           /* 115,200 baud at 16 MHz */
    REGISTER(12) = 1u << 13 | 1u << 3 | 1u << 2; /* on, both directions */
}

static int32_t uart_read(void *context)
{
    (void)context;
    return (REGISTER(0) & 1u << 5) != 0 ? (int32_t)REGISTER(4) : -1;
}

static void put(uint8_t byte)
{
    while ((REGISTER(0) & 1u << 7) == 0)
        continue;
    REGISTER(4) = byte;
}

#elif UART_KIND == UART_PL011

static void uart_open(void)
{
    REGISTER(0x2C) = 0x70; /* 8 bits, FIFOs on */
    REGISTER(0x30) = 0x301;
}

static int32_t uart_read(void *context)
{
    (void)context;
    return (REGISTER(0x18) & 0x10) == 0 ? (int32_t)(REGISTER(0) & 0xFF) : -1;
}

static void put(uint8_t byte)
{
    while ((REGISTER(0x18) & 0x20) != 0)
        continue;
    REGISTER(0) = byte;
}

#elif UART_KIND == UART_NRF51

static void uart_open(void)
{
    REGISTER(0x500) = 4;
    REGISTER(0) = 1;
    REGISTER(8) = 1;
}

static int32_t uart_read(void *context)
{
    (void)context;
    if (REGISTER(0x108) == 0)
        return -1;
    REGISTER(0x108) = 0;
    return (int32_t)REGISTER(0x518);
}

static void put(uint8_t byte)
{
    REGISTER(0x11C) = 0;
    REGISTER(0x51C) = byte;
    while (REGISTER(0x11C) == 0)
        continue;
}

#elif UART_KIND == UART_SIFIVE

static void uart_open(void)
{
    REGISTER(8) = 1;
    REGISTER(12) = 1;
}

static int32_t uart_read(void *context)
{
    (void)context;
    const uint32_t word = REGISTER(4); /* which takes the byte, if there is one */
    return (word & 1u << 31) == 0 ? (int32_t)word : -1;
}

static void put(uint8_t byte)
{
    while ((REGISTER(0) & 1u << 31) != 0)
        continue;
    REGISTER(0) = byte;
}

#elif UART_KIND == UART_STM32L4

static void uart_open(void)
{
    /* QEMU takes bytes in only while something moves its time on: SysTick, without interrupts. */
    AT(uint32_t, 0xE000E014) = 400;
    AT(uint32_t, 0xE000E018) = 0;
    AT(uint32_t, 0xE000E010) = 5;
    AT(uint32_t, 0x40021060) |= 1u << 14; /* the clock of USART1 */
    REGISTER(12) = 35;                    /* 115,200 baud at 4 MHz */
    REGISTER(0) = 1u << 3 | 1u << 2;
    REGISTER(0) |= 1u;
}

static int32_t uart_read(void *context)
{
    (void)context;
    return (REGISTER(0x1C) & 1u << 5) != 0 ? (int32_t)REGISTER(0x24) : -1;
}

static void put(uint8_t byte)
{
    while ((REGISTER(0x1C) & 1u << 7) == 0)
        continue;
    REGISTER(0x28) = byte;
}

#else
#error "UART_KIND is none of those above"
#endif

static void uart_write(void *context, const uint8_t *bytes, uint32_t count)
{
    (void)context;
    while (count-- > 0)
        put(*bytes++);
}

#ifdef CLOCK
static uint32_t uart_ticks(void *context)
{
    (void)context;
    return AT(uint32_t, CLOCK);
}
#define TICKS uart_ticks
#else
#define TICKS NULL
#define TICKS_PER_SECOND 0u
#endif

#endif
