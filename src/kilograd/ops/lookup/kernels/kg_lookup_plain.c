#include "kg_lookup.h"

KG_LOOKUP(kg_lookup_plain)
{
    const int8_t *const table = p->table + KG_LOOKUP_OFFSET;
    for (int32_t i = 0; i < p->count; i++)
        y[i] = table[x[i]];
}
