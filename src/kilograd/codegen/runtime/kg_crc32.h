/* A checksum: CRC-32 as in Ethernet, zip and Python's zlib.crc32. */
#ifndef KG_CRC32_H
#define KG_CRC32_H

#include <stdint.h>

/* Of the bytes, after those that `crc` is the checksum of; 0 is that of none. */
uint32_t kg_crc32(uint32_t crc, const uint8_t *bytes, uint32_t count);

#endif
