/* A NOR flash whose power fails; it lies on the computer that runs the test. */
#ifndef FLASH_MODEL_H
#define FLASH_MODEL_H

#include <stdint.h>

#define FLASH_MOST_BYTES (512u * 1024u)
#define FLASH_NEVER UINT32_MAX

/* What the functions return besides 0. */
enum { FLASH_FAILED = 1, FLASH_POWER_CUT = 2 };

/* How bytes read whose programming or erasure was cut off. */
enum { TORN_READS = 0, TORN_FAILS = 1, TORN_VARIES = 2 };

/* A new, erased flash. */
void flash_set_up(uint32_t bytes, uint32_t page, uint32_t granule, uint32_t torn);

/* From now on operations count from 0; power fails in number `cut_at`, which is torn. A granule
   programmed or a page erased is an operation. */
void flash_power_on(uint32_t cut_at, uint32_t seed);

int32_t flash_read(uint32_t offset, void *to, uint32_t bytes);
int32_t flash_program(uint32_t offset, const void *from, uint32_t bytes);
int32_t flash_erase(uint32_t offset);

uint32_t flash_operations(void);

/* Granules programmed twice between erasures, and calls outside of the region or its units. */
uint32_t flash_mistakes(void);

/* Whether every record that is there, even in part, stands behind a whole body. */
int32_t flash_bodies_are_whole(uint32_t slot_bytes, uint32_t body_bytes, uint32_t record_offset);

/* Keeps what the flash holds, and puts it back. */
void flash_keep(void);
void flash_put_back(void);

#endif
