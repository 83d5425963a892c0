/* What a port must give: a byte stream to the host. One port is linked into a firmware. */
#ifndef KG_PORT_H
#define KG_PORT_H

#include <stdint.h>

void kg_port_open(void);
/* Both wait until all bytes have passed, and end the firmware when the host is gone. */
void kg_port_read(void *to, uint32_t bytes);
void kg_port_write(const void *from, uint32_t bytes);
_Noreturn void kg_port_exit(uint32_t code);

#endif
