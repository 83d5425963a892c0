/* The board in this process: bytes come out of memory, and go into it. */
#include "kg_serial.h"
#include "saves.h"
#if !defined KG_LABEL_SETS && !defined KG_VALUE && !defined KG_ANOMALY
#include "kg_serial_memory.h"
#define KEEPS_SAMPLES
#endif

static const uint8_t *arriving;
static uint32_t arriving_bytes;
static uint8_t *leaving;
static uint32_t leaving_bytes, leaving_room;

static int32_t read_byte(void *context)
{
    (void)context;
    if (arriving_bytes == 0)
        return -1;
    arriving_bytes--;
    return *arriving++;
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count)
{
    (void)context;
    const uint32_t room = leaving_room - leaving_bytes;
    if (count > room)
        count = room;
    memcpy(leaving + leaving_bytes, bytes, count);
    leaving_bytes += count;
}

/* Gives a board that has nothing but a line bytes, and lets it run until it has read all: how many
   it has sent. */
uint32_t bare_board_run(const uint8_t *bytes, uint32_t count, uint8_t *to, uint32_t room,
                        uint32_t *executed)
{
    static const kg_serial_port port = {.read = read_byte, .write = write_bytes};
    arriving = bytes;
    arriving_bytes = count;
    leaving = to;
    leaving_bytes = 0;
    leaving_room = room;
    while (arriving_bytes > 0)
        *executed += (uint32_t)kg_serial_poll(&port);
    return leaving_bytes;
}

#ifdef KEEPS_SAMPLES
static uint32_t clock_ticks;
static uint32_t samples[8 * KG_MEMORY_SAMPLE_BYTES / 4];

static uint32_t ticks(void *context)
{
    (void)context;
    return clock_ticks += 1500;
}

/* As above, of a firmware that has all. */
uint32_t board_run(const uint8_t *bytes, uint32_t count, uint8_t *to, uint32_t room,
                   uint32_t *executed)
{
    static const kg_serial_port port = {
        read_byte, write_bytes,   ticks,           1000000,         NULL,
        &flash,    SLOTS,         kg_storage_save, kg_storage_load, &kg_serial_ram_memory,
        samples,   sizeof samples};
    arriving = bytes;
    arriving_bytes = count;
    leaving = to;
    leaving_bytes = 0;
    leaving_room = room;
    while (arriving_bytes > 0)
        *executed += (uint32_t)kg_serial_poll(&port);
    return leaving_bytes;
}
#endif
