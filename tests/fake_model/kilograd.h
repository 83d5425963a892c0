#ifndef KILOGRAD_H
#define KILOGRAD_H
#include <stdint.h>

typedef struct {
    uint32_t counts[10];
} kg_counters;

typedef struct {
    int32_t mantissa;
    int32_t exponent;
    uint32_t steps;
} kg_learning_rate;

extern const uint32_t kg_input_bytes, kg_class_count, kg_state_bytes, kg_arena_bytes;
void kg_init(uint32_t seed);
int8_t *kg_input(void);
const int32_t *kg_predict(void);
const int32_t *kg_train_step(int32_t label, kg_learning_rate rate);
uint8_t *kg_state(void);
const kg_counters *kg_get_counters(void);
int32_t kg_set_classes(uint32_t classes);
uint32_t kg_get_classes(void);

extern const uint32_t kg_snapshot_bytes;
void kg_prefix(void);
void kg_snapshot_save(uint8_t *to);
void kg_snapshot_restore(const uint8_t *from);
const int32_t *kg_predict_suffix(void);
const int32_t *kg_train_step_suffix(int32_t label, kg_learning_rate rate);
#endif
