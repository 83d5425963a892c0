/* A sample that is whole in the arena before a call uses it. */
#include <string.h>

#include "kg_network.h"

int8_t *kg_input(void)
{
    if (KG_IS_BUSY)
        return NULL;
    kg_now.rows = KG_INPUT_HEIGHT;
    return (int8_t *)kg_arena + KG_INPUT_OFFSET;
}

void kg_begin(void)
{
    kg_now.rows = 0;
}

KG_SMALL uint32_t kg_push_rows(const int8_t *rows, uint32_t count)
{
    const uint32_t there = kg_now.rows, missing = KG_INPUT_HEIGHT - there;
    if (!kg_now.is_initialized)
        return KG_INPUT_HEIGHT;
    const uint32_t taken = count < missing ? count : missing;
    memcpy(kg_arena + KG_INPUT_OFFSET + there * KG_ROW_BYTES, rows, taken * KG_ROW_BYTES);
    kg_now.rows = (uint16_t)(there + taken);
    return missing - taken;
}
