#include "kg_crc32.h"
#include "kg_network.h"

#define SEED 1
#define LABEL 0

/* Element `index` of the made-up sample. */
static int8_t element(uint32_t index)
{
    return (int8_t)((int32_t)(kg_mix(index) >> 24) - 128);
}

static void give_sample(void)
{
#ifdef KG_ROW_INPUT
    int8_t row[KG_ROW_BYTES];
    kg_begin();
    for (uint32_t start = 0; start < KG_INPUT_BYTES; start += KG_ROW_BYTES) {
        for (uint32_t i = 0; i < KG_ROW_BYTES; i++)
            row[i] = element(start + i);
        kg_push_rows(row, 1);
    }
#else
    int8_t *const sample = kg_input();
    for (uint32_t i = 0; i < KG_INPUT_BYTES; i++)
        sample[i] = element(i);
#endif
}

KG_SMALL kg_status kg_selftest(void)
{
    const kg_learning_rate rate = KG_DEFAULT_RATE;
    if (KG_IS_BUSY)
        return KG_ERROR_BUSY;
    kg_init(SEED);
    give_sample();
    const int32_t *const logits = kg_train_step(LABEL, rate);
    kg_now.is_initialized = 0;
    uint32_t crc = kg_crc32(0, (const uint8_t *)logits, KG_CLASS_COUNT * sizeof *logits);
    crc = kg_crc32(crc, kg_state_buffer, KG_STATE_BYTES);
    return crc == KG_SELFTEST_CRC ? KG_OK : KG_ERROR_SELFTEST;
}
