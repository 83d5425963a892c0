/* A region of flash, or of any memory that keeps what it holds, as functions of the application. */
#ifndef KG_FLASH_H
#define KG_FLASH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Offsets count from the start of the region. Each function returns 0 once it is done, and anything
   else where it failed. Nothing is programmed twice between two erasures, and an erased byte is
   0xFF. `read` must not fault on a granule whose programming was cut off: where the flash has ECC,
   it returns any bytes, or fails. */
typedef struct {
    uint32_t bytes;         /* of the region: a multiple of page_bytes */
    uint32_t page_bytes;    /* what `erase` erases: a multiple of granule_bytes */
    uint32_t granule_bytes; /* what is programmed at once: a power of two, 1 to 256 */
    int32_t (*read)(void *context, uint32_t offset, void *to, uint32_t bytes);
    /* `offset` and `bytes` are multiples of granule_bytes; `from` may lie in any memory. */
    int32_t (*program)(void *context, uint32_t offset, const void *from, uint32_t bytes);
    /* The page that begins at `offset`. */
    int32_t (*erase)(void *context, uint32_t offset);
    void *context; /* handed to the three */
} kg_flash;

#ifdef __cplusplus
}
#endif

#endif
