/* A PC trains and predicts through a serial line: a UART, USB or a socket. This is the board's end
 * of what the page docs/serial.md of kilograd describes; `kilograd train --device serial:PORT` is
 * the other.
 *
 * Whatever comes in, nothing is executed but whole requests of a PC that has begun a session, each
 * once and in order. There is no heap, and no call waits for the PC.
 */
#ifndef KG_SERIAL_H
#define KG_SERIAL_H

#include "kg_flash.h"
#include "kilograd.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KG_SERIAL_VERSION 1 /* of the protocol */
#define KG_SERIAL_DATA 240u /* most bytes of a sample, of logits or of the state in a frame */

/* The longest frame as it is sent, with a zero byte before and one after it. The PC waits for each
   answer, so no more than this has to be kept between two calls of kg_serial_poll. */
#define KG_SERIAL_FRAME_BYTES (KG_SERIAL_DATA + 16u)

/* The calls of a memory of samples; kg_serial_memory.h has those of kg_memory.h, in RAM. */
typedef struct {
    kg_status (*begin)(void *samples, uint32_t bytes, uint32_t per_class);
    int32_t (*keep)(int32_t label);
    int32_t (*step)(int32_t label, kg_learning_rate rate);
    int32_t (*replay)(kg_learning_rate rate, uint32_t at);
    kg_status (*forget)(int32_t label);
    uint32_t (*count)(int32_t label);
    uint32_t sample_bytes;
} kg_serial_memory;

/* The board's side of the line, and what else a PC may use. What is not named stays 0. */
typedef struct {
    /* The next byte that has arrived, 0 to 255, or -1 where there is none. It does not wait. */
    int32_t (*read)(void *context);
    /* Sends all bytes, and waits no longer than that takes. What nobody takes may be dropped: the
       PC asks again. */
    void (*write)(void *context, const uint8_t *bytes, uint32_t count);
    /* A counter that runs freely and wraps at 2^32, and how many ticks of it are a second; NULL
       where there is none. It times predictions and steps. */
    uint32_t (*ticks)(void *context);
    uint32_t ticks_per_second;
    void *context; /* handed to the three */
    /* Where what was learned is saved on request, as for kg_storage.h: kg_storage_save and
       kg_storage_load are called with it. NULL leaves their code out, and requests are refused. */
    const kg_flash *flash;
    uint32_t slots;
    kg_status (*save)(const kg_flash *flash, uint32_t slots);
    kg_status (*load)(const kg_flash *flash, uint32_t slots, uint32_t back);
    /* What keeps samples on request, and RAM for them, aligned to 4 bytes. NULL leaves the code
       out, and requests are refused. */
    const kg_serial_memory *memory;
    void *samples;
    uint32_t samples_bytes;
} kg_serial_port;

/* Takes what has arrived and executes at most one request; returns 1 if it did, otherwise 0. Call
   it again and again, in the thread of the calls of kilograd.h and never in an interrupt. While a
   PC uses the network, leave it alone. */
int32_t kg_serial_poll(const kg_serial_port *port);

#ifdef __cplusplus
}
#endif

#endif
