/* Goes on from what was saved, learns, and saves after each step. */
#include <string.h>

#include "kg_arithmetic.h"
#include "kg_storage.h"
#include "port.h"

#define SEED 1
#define ATTEMPTS 3

static uint32_t steps_done(void)
{
    uint32_t steps;
    memcpy(&steps, kg_state() + KG_STATE_STEPS, sizeof steps);
    return steps;
}

static void learn(uint32_t step)
{
    static const kg_learning_rate rate = {25166, -20, 0};
    int8_t *const sample = kg_input();
    for (uint32_t i = 0; i < KG_INPUT_BYTES; i++)
        sample[i] = (int8_t)((int32_t)(kg_mix(step * KG_INPUT_BYTES + i) >> 24) - 128);
    kg_learn((int32_t)(step % KG_CLASS_COUNT), rate);
}

void application(void)
{
    const settings chosen = port_settings();
    const kg_flash flash = {chosen.bytes, chosen.page, chosen.granule, port_read, port_program,
                            port_erase,   NULL};
    kg_status status = KG_ERROR_FLASH;
    for (int i = 0; i < ATTEMPTS && status == KG_ERROR_FLASH; i++) {
        kg_init(SEED);
        status = kg_storage_load(&flash, chosen.slots, 0);
    }
    if (status != KG_OK)
        kg_init(SEED);
    port_report(EVENT_LOADED, status);
    while (steps_done() < chosen.steps) {
        learn(steps_done());
        port_report(EVENT_SAVING, (int32_t)steps_done());
        port_report(EVENT_SAVED, kg_storage_save(&flash, chosen.slots));
    }
    port_report(EVENT_DONE, 0);
}
