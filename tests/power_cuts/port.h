/* Between the application and what it runs on. */
#ifndef PORT_H
#define PORT_H

#include <stdint.h>

#include "kg_flash.h"

typedef struct {
    uint32_t bytes, page, granule; /* of the flash */
    uint32_t slots;
    uint32_t steps; /* where training ends */
} settings;

enum { EVENT_LOADED = 1, EVENT_SAVING = 2, EVENT_SAVED = 3, EVENT_DONE = 4 };

settings port_settings(void);
void port_report(uint32_t event, int32_t value);

int32_t port_read(void *context, uint32_t offset, void *to, uint32_t bytes);
int32_t port_program(void *context, uint32_t offset, const void *from, uint32_t bytes);
int32_t port_erase(void *context, uint32_t offset);

void application(void);

#endif
