/* Learns a few steps and prints what that makes of the state, and how often the hook was called. */
#include <stdio.h>
#include <string.h>

#include "kilograd.h"

static const kg_learning_rate rate = KG_DEFAULT_RATE;
static uint32_t calls;

void kg_yield(void)
{
    calls++;
}

static uint32_t since(void)
{
    const uint32_t count = calls;
    calls = 0;
    return count;
}

static uint32_t give(int value)
{
    int8_t row[KG_ROW_BYTES];
    memset(row, value, sizeof row);
    kg_begin();
    while (kg_push_rows(row, 1) > 0)
        continue;
    return since();
}

int main(void)
{
    uint32_t pushed, predicted, learned = 0;
    kg_init(7);
    pushed = give(5);
    if (kg_predict() == NULL)
        return 1;
    predicted = since();
    for (int step = 0; step < 3; step++) {
        give(11 * step);
        if (kg_train_step(step, rate) == NULL || kg_error() != KG_OK)
            return 1;
        learned = since();
    }
    for (uint32_t i = 0; i < KG_STATE_BYTES; i++)
        printf("%02x", kg_state()[i]);
    printf("\n%u %u %u\n", (unsigned)pushed, (unsigned)predicted, (unsigned)learned);
    return 0;
}
