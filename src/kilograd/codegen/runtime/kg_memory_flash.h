/* Samples that are kept in flash; kg_memory.h says what for. */
#ifndef KG_MEMORY_FLASH_H
#define KG_MEMORY_FLASH_H

#include "kg_flash.h"
#include "kg_memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As kg_memory_in_ram, in flash: what was kept there before is there again, and a loss of power at
   any moment costs at most the sample that was being kept and the one that it replaced.
   KG_ERROR_MODEL: the flash holds something else, such as samples of another model or scheme;
   kg_memory_erase makes room. KG_ERROR_PAGES, KG_ERROR_SPACE: the sizes will not do.
   KG_ERROR_FLASH: a function of `flash` failed. `flash` has to stay where it is. */
kg_status kg_memory_in_flash(const kg_flash *flash, uint32_t per_class);

/* Erases all of it. */
kg_status kg_memory_erase(const kg_flash *flash);

#ifdef __cplusplus
}
#endif

#endif
