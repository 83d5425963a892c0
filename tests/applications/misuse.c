/* Every call that has to be refused, and that it changes nothing. Prints what was wrong. */
#include <stdio.h>
#include <string.h>

#include "kilograd.h"

static const kg_learning_rate rate = KG_DEFAULT_RATE;
static uint8_t before[KG_STATE_BYTES], saved[KG_SAVED_BYTES];
static int failures;

static void expect(const char *what, int32_t found, int32_t wanted)
{
    if (found == wanted && memcmp(before, kg_state(), KG_STATE_BYTES) == 0)
        return;
    printf("%s: %d, not %d\n", what, (int)found, (int)wanted);
    failures++;
}

static void give(void)
{
    int8_t row[KG_ROW_BYTES];
    memset(row, 7, sizeof row);
    kg_begin();
    while (kg_push_rows(row, 1) > 0)
        continue;
}

static void expect_refusal(const char *what, int32_t label, kg_learning_rate r, int32_t wanted)
{
    expect(what, kg_learn(label, r), wanted);
    expect(what, kg_train_step(label, r) == NULL, 1);
    expect(what, kg_error(), wanted);
}

static void before_initialization(void)
{
    expect("push before kg_init", (int32_t)kg_push_rows((const int8_t *)saved, 1), KG_INPUT_HEIGHT);
    expect("classify before kg_init", kg_classify(), KG_ERROR_NOT_INITIALIZED);
    expect("predict before kg_init", kg_predict() == NULL, 1);
    expect_refusal("learn before kg_init", 0, rate, KG_ERROR_NOT_INITIALIZED);
    expect("save before kg_init", kg_save(saved), KG_ERROR_NOT_INITIALIZED);
    expect("restore before kg_init", kg_restore(saved), KG_ERROR_NOT_INITIALIZED);
    expect("classes before kg_init", kg_set_classes(2), KG_ERROR_NOT_INITIALIZED);
}

static void samples(void)
{
    const int8_t row[KG_ROW_BYTES] = {1};
    expect("nothing given", kg_classify(), KG_ERROR_SAMPLE);
    expect_refusal("nothing given", 0, rate, KG_ERROR_SAMPLE);
    kg_begin();
    kg_push_rows(row, 1);
    expect("one row", kg_finish(), KG_ERROR_SAMPLE);
    expect("one row", kg_classify(), KG_ERROR_SAMPLE);
    give();
    expect("whole", kg_finish(), KG_OK);
    expect("whole", kg_classify() >= 0, 1);
    expect("used up", kg_classify(), KG_ERROR_SAMPLE);
    expect_refusal("used up", 0, rate, KG_ERROR_SAMPLE);
}

static void labels_and_rates(void)
{
    const kg_learning_rate bad[] = {{32768, -20, 0}, {-1, -20, 0}, {9, 1101, 0}, {9, -1101, 0}};
    give();
    expect_refusal("label", KG_CLASS_COUNT, rate, KG_ERROR_LABEL);
    expect_refusal("label below 0", -1, rate, KG_ERROR_LABEL);
    expect_refusal("far label", 1000000, rate, KG_ERROR_LABEL);
    for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refusal("rate", 0, bad[i], KG_ERROR_RATE);
    expect("the sample is still there", kg_classify() >= 0, 1);
    expect("classes", kg_set_classes(1), KG_ERROR_CLASSES);
    expect("classes", kg_set_classes(KG_CLASS_COUNT + 1), KG_ERROR_CLASSES);
}

static void states(void)
{
    expect("save", kg_save(saved), KG_OK);
    saved[0] ^= 1;
    expect("another model", kg_restore(saved), KG_ERROR_MODEL);
    saved[0] ^= 1;
    saved[KG_SAVED_BYTES - 1] ^= 4;
    expect("damaged", kg_restore(saved), KG_ERROR_DAMAGED);
    saved[KG_SAVED_BYTES - 1] ^= 4;
    expect("restore", kg_restore(saved), KG_OK);
}

int main(void)
{
    before_initialization();
    kg_init(3);
    memcpy(before, kg_state(), sizeof before);
    samples();
    labels_and_rates();
    states();
    if (failures == 0)
        puts("all refused");
    return failures != 0;
}
