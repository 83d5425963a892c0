/* A sample that is never whole: the first layers run as its rows arrive. */
#include "kg_network.h"

void kg_begin(void)
{
    kg_now.rows = 0;
}

uint32_t kg_push_rows(const int8_t *rows, uint32_t count)
{
    if (!kg_now.is_initialized)
        return KG_INPUT_HEIGHT;
    if (kg_now.rows == 0)
        kg_start_rows();
    for (; count > 0 && kg_now.rows < KG_INPUT_HEIGHT; count--, rows += KG_ROW_BYTES) {
        kg_take_row(rows);
        kg_now.rows++;
    }
    return KG_INPUT_HEIGHT - (uint32_t)kg_now.rows;
}
