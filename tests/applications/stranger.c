/* An application written from the README of a generated folder: learns half of its samples, keeps
 * what it has learned over a reset, and learns the rest. The samples are in samples.h. */
#include <stdio.h>
#include <string.h>

#include "kilograd.h"
#include "samples.h"

static uint8_t flash[KG_SAVED_BYTES];
static const char *const class_names[] = KG_CLASS_NAMES;

static void give(uint32_t index)
{
    memcpy(kg_input(), inputs[index], KG_INPUT_BYTES);
}

static int learn(uint32_t first, uint32_t end)
{
    const kg_learning_rate rate = RATE;
    for (uint32_t i = first; i < end; i++) {
        give(i);
        if (kg_learn(labels[i], rate) < 0)
            return 0;
    }
    return 1;
}

int main(void)
{
    if (kg_selftest() != KG_OK) {
        puts("self-test failed");
        return 1;
    }
    kg_init(SEED);
    if (!learn(0, COUNT / 2) || kg_save(flash) != KG_OK) {
        printf("error %d\n", (int)kg_error());
        return 1;
    }
    memset(kg_state(), 0x5A, KG_STATE_BYTES);
    kg_init(99);
    if (kg_restore(flash) != KG_OK || !learn(COUNT / 2, COUNT)) {
        printf("error %d\n", (int)kg_error());
        return 1;
    }
    for (uint32_t i = 0; i < KG_STATE_BYTES; i++)
        printf("%02x", kg_state()[i]);
    give(0);
    printf("\n%s\n", class_names[kg_classify()]);
    return 0;
}
