/* What was learned, in flash: a loss of power at any moment leaves the last whole save. The page
   docs/storage.md of kilograd says why, and what drivers of flash must do. */
#ifndef KG_STORAGE_H
#define KG_STORAGE_H

#include "kg_flash.h"
#include "kilograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The region is `slots` slots of as many whole pages each, 2 or more. A slot keeps one save: the
   state, KG_STATE_BYTES, and a record of 20 bytes, each rounded up to granules. With a slot more
   than two there is still a whole save where a granule whose programming was cut off reads well
   now and not later. */

/* Saves what was learned in the place of the oldest save. KG_OK: a load gives this now. After
   anything else, a load gives what it would have given before, or this if it is whole. */
kg_status kg_storage_save(const kg_flash *flash, uint32_t slots);

/* Takes the newest save back after kg_init; with `back` = 1 the one before it, and so on. A sample
   has to be given anew. If no such save is whole, nothing changes; the result is KG_ERROR_MODEL
   where a whole save of another model is there, else KG_ERROR_DAMAGED, else KG_ERROR_FLASH where
   reading failed, else KG_ERROR_EMPTY.
   A save is checked before it is copied, and so is the copy. If only copying went wrong, the result
   is KG_ERROR_FLASH, and calls are refused with KG_ERROR_NOT_INITIALIZED until kg_init. */
kg_status kg_storage_load(const kg_flash *flash, uint32_t slots, uint32_t back);

#ifdef __cplusplus
}
#endif

#endif
