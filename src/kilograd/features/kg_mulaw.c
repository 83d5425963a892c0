#include "kg_mulaw.h"

#include "kg_mulaw_tables.h"

void kg_mulaw_decode(const uint8_t *codes, int32_t count, int16_t *samples)
{
    for (int32_t i = 0; i < count; i++) {
        const uint8_t code = codes[i];
        samples[i] =
            code < 128 ? (int16_t)-kg_mulaw_magnitude[127 - code] : kg_mulaw_magnitude[code - 128];
    }
}
