/* A hook that makes all the calls which it must not make; none does anything but return. */
#include <stdio.h>
#include <string.h>

#include "kg_storage.h"
#include "kilograd.h"
#ifdef KG_BOUNDARY_BYTES
#include "kg_memory.h"
#endif

static const kg_learning_rate rate = KG_DEFAULT_RATE;
static uint8_t saved[KG_SAVED_BYTES];
static uint32_t calls, failures;
static int is_nesting;

static int32_t flash_read(void *context, uint32_t offset, void *to, uint32_t bytes)
{
    (void)context, (void)offset, (void)to, (void)bytes;
    failures++;
    return 1;
}

static int32_t flash_program(void *context, uint32_t offset, const void *from, uint32_t bytes)
{
    (void)context, (void)offset, (void)from, (void)bytes;
    failures++;
    return 1;
}

static int32_t flash_erase(void *context, uint32_t offset)
{
    (void)context, (void)offset;
    failures++;
    return 1;
}

static const kg_flash flash = {.context = NULL,
                               .bytes = 1u << 20,
                               .page_bytes = 1u << 12,
                               .granule_bytes = 8,
                               .read = flash_read,
                               .program = flash_program,
                               .erase = flash_erase};

static void expect(const char *what, int32_t found, int32_t wanted)
{
    if (found == wanted)
        return;
    printf("%s: %d, not %d\n", what, (int)found, (int)wanted);
    failures++;
}

static void memory_of_samples(void)
{
#ifdef KG_BOUNDARY_BYTES
    static uint32_t memory[KG_MEMORY_SAMPLE_BYTES];
    expect("kg_memory_in_ram", kg_memory_in_ram(memory, sizeof memory, 0), KG_ERROR_BUSY);
    expect("kg_memory_learn", kg_memory_learn(0, rate), KG_ERROR_BUSY);
    expect("kg_memory_replay", kg_memory_replay(rate, 0), KG_ERROR_BUSY);
    expect("kg_memory_forget", kg_memory_forget(0), KG_ERROR_BUSY);
#endif
}

void kg_yield(void)
{
    static const int8_t row[KG_ROW_BYTES];
    calls++;
    if (!is_nesting)
        return;
    kg_begin();
    expect("kg_push_rows", (int32_t)kg_push_rows(row, 1), KG_INPUT_HEIGHT);
#ifndef KG_ROW_INPUT
    expect("kg_input", kg_input() == NULL, 1);
#endif
    expect("kg_finish", kg_finish(), KG_ERROR_SAMPLE);
    expect("kg_classify", kg_classify(), KG_ERROR_BUSY);
    expect("kg_learn", kg_learn(0, rate), KG_ERROR_BUSY);
    expect("kg_predict", kg_predict() == NULL, 1);
    expect("kg_train_step", kg_train_step(0, rate) == NULL, 1);
    expect("kg_error", kg_error(), KG_ERROR_BUSY);
    expect("kg_set_classes", kg_set_classes(2), KG_ERROR_BUSY);
    expect("kg_save", kg_save(saved), KG_ERROR_BUSY);
    expect("kg_restore", kg_restore(saved), KG_ERROR_BUSY);
    expect("kg_storage_save", kg_storage_save(&flash, 2), KG_ERROR_BUSY);
    expect("kg_storage_load", kg_storage_load(&flash, 2, 0), KG_ERROR_BUSY);
    expect("kg_selftest", kg_selftest(), KG_ERROR_BUSY);
    memory_of_samples();
    kg_init(99);
    expect("kg_init", kg_error(), KG_ERROR_BUSY);
}

/* The state and the logits of two steps. */
static void run(uint8_t *state, int32_t *logits)
{
    int8_t row[KG_ROW_BYTES];
    kg_init(3);
    for (int step = 0; step < 2; step++) {
        memset(row, 40 * step - 9, sizeof row);
        kg_begin();
        while (kg_push_rows(row, 1) > 0)
            continue;
        const int32_t *found = kg_train_step(step, rate);
        expect("kg_error after a step", kg_error(), KG_OK);
        if (found != NULL)
            memcpy(logits, found, KG_CLASS_COUNT * sizeof *logits);
    }
    memcpy(state, kg_state(), KG_STATE_BYTES);
}

int main(void)
{
    static uint8_t states[2][KG_STATE_BYTES];
    static int32_t logits[2][KG_CLASS_COUNT];
    run(states[0], logits[0]);
    is_nesting = 1;
    run(states[1], logits[1]);
    expect("state", memcmp(states[0], states[1], sizeof states[0]), 0);
    expect("logits", memcmp(logits[0], logits[1], sizeof logits[0]), 0);
    expect("self-test", kg_selftest(), KG_OK);
    if (failures == 0 && calls > 0)
        puts("all refused");
    return failures != 0;
}
