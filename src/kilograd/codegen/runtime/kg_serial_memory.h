/* Lets a PC at a serial line keep samples in the board's RAM and learn from them again: name
 * kg_serial_ram_memory and room for them in the kg_serial_port. The PC begins with an empty memory,
 * in the place of the application's, and keeps as many samples as it chooses and as there is room.
 */
#ifndef KG_SERIAL_MEMORY_H
#define KG_SERIAL_MEMORY_H

#include "kg_memory.h"
#include "kg_serial.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const kg_serial_memory kg_serial_ram_memory;

#ifdef __cplusplus
}
#endif

#endif
