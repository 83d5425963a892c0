/* Mu-law codes to 16-bit samples. */
#ifndef KG_MULAW_H
#define KG_MULAW_H

#include <stdint.h>

/* The samples must not overlap the codes. */
void kg_mulaw_decode(const uint8_t *codes, int32_t count, int16_t *samples);

#endif
