#include "kg_lookup.h"

/* Words are read and written whole; bytes of a word are numbers without a sign. */
static inline uint32_t entry(const int8_t *table, uint32_t word, int32_t place)
{
    const uint32_t unsigned_byte = (word >> (8 * place)) & 0xff;
    return (uint32_t)(uint8_t)table[unsigned_byte ^ KG_LOOKUP_OFFSET] << (8 * place);
}

KG_LOOKUP(kg_lookup_dsp)
{
    const int8_t *const table = p->table;
    int32_t left = p->count;
    for (; left >= 4; left -= 4, x += 4, y += 4) {
        const uint32_t word = kg_load32(x);
        kg_store32(y, entry(table, word, 0) | entry(table, word, 1) | entry(table, word, 2) |
                          entry(table, word, 3));
    }
    for (; left > 0; left--)
        *y++ = table[*x++ + KG_LOOKUP_OFFSET];
}
