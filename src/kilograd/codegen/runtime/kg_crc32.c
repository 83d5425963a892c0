#include "kg_crc32.h"

#include "kg_compiler.h"

/* Bit by bit: a table would take more flash than this is worth. */
KG_SMALL uint32_t kg_crc32(uint32_t crc, const uint8_t *bytes, uint32_t count)
{
    crc = ~crc;
    for (const uint8_t *const end = bytes + count; bytes != end; bytes++) {
        crc ^= *bytes;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (UINT32_C(0xEDB88320) & (0 - (crc & 1)));
    }
    return ~crc;
}
