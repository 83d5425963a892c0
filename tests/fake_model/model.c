/* One frozen filter and one trained dense layer: the smallest network with the API of a real one.
 */
#include "kilograd.h"

#include <string.h>

#include "kernels.h"

#ifndef INPUTS
#define INPUTS 48
#endif
#ifndef ARENA_PADDING
#define ARENA_PADDING 0
#endif
#define CLASSES 3

typedef struct {
    int8_t input[INPUTS];
    int8_t filtered[INPUTS];
    int32_t logits[CLASSES];
    int8_t padding[ARENA_PADDING + 1];
} arena;

typedef struct {
    uint32_t seed, step, classes;
    int32_t bias[CLASSES];
    int8_t weights[CLASSES * INPUTS];
} state;

static kg_counters counters;
arena kg_arena;
state kg_state_buffer;
int32_t initial_bias[CLASSES] = {7, -5, 3}; /* not const: exercises the .data copy */

const uint32_t kg_input_bytes = INPUTS, kg_class_count = CLASSES;
const uint32_t kg_state_bytes = sizeof(state), kg_arena_bytes = sizeof(arena);

void kg_init(uint32_t seed)
{
    memset(&kg_state_buffer, 0, sizeof kg_state_buffer);
    kg_state_buffer.seed = seed;
    kg_state_buffer.classes = CLASSES;
    memset(&counters, 0, sizeof counters);
    memcpy(kg_state_buffer.bias, initial_bias, sizeof initial_bias);
    for (uint32_t i = 0; i < sizeof kg_state_buffer.weights; i++) {
        kg_state_buffer.weights[i] = (int8_t)(random_word(seed, i) >> 26) - 32;
    }
}

int8_t *kg_input(void)
{
    return kg_arena.input;
}
uint8_t *kg_state(void)
{
    return (uint8_t *)&kg_state_buffer;
}
const kg_counters *kg_get_counters(void)
{
    return &counters;
}
uint32_t kg_get_classes(void)
{
    return kg_state_buffer.classes;
}
int32_t kg_set_classes(uint32_t classes)
{
    if (classes < 2 || classes > CLASSES)
        return 0;
    kg_state_buffer.classes = classes;
    return 1;
}

static void prefix(void)
{
    misbehave(kg_arena.input[0]);
    frozen_filter(kg_arena.input, kg_arena.filtered, INPUTS);
}

static const int32_t *predict_suffix(void)
{
    dense(kg_arena.filtered, kg_state_buffer.weights, kg_state_buffer.bias, kg_arena.logits, INPUTS,
          CLASSES);
    return kg_arena.logits;
}

static const int32_t *train_step_suffix(int32_t label, kg_learning_rate rate)
{
    predict_suffix();
    const int32_t shift = rate.exponent > -24 ? 0 : -24 - rate.exponent;
    for (int32_t o = 0; o < CLASSES; o++) {
        const int32_t error = o == label ? -2 : 1;
        kg_state_buffer.bias[o] -= error * (rate.mantissa >> (shift > 15 ? 15 : shift));
        for (int32_t i = 0; i < INPUTS; i++) {
            const int32_t noise =
                (int32_t)(random_word(kg_state_buffer.seed + kg_state_buffer.step, (uint32_t)i) &
                          0xFFFF);
            int8_t *weight = &kg_state_buffer.weights[o * INPUTS + i];
            const int32_t delta = error * kg_arena.filtered[i] * (rate.mantissa >> 4) + noise;
            const int32_t value = *weight - (delta >> 16);
            *weight = (int8_t)(value < -127 ? -127 : value > 127 ? 127 : value);
        }
    }
    kg_state_buffer.step++;
    for (uint32_t i = 0; i < 10; i++)
        counters.counts[i] += i + 1; /* each its own */
    return kg_arena.logits;
}

const int32_t *kg_predict(void)
{
    prefix();
    return predict_suffix();
}

const int32_t *kg_train_step(int32_t label, kg_learning_rate rate)
{
    prefix();
    return train_step_suffix(label, rate);
}

const uint32_t kg_snapshot_bytes = INPUTS;
void kg_prefix(void)
{
    prefix();
}
void kg_snapshot_save(uint8_t *to)
{
    memcpy(to, kg_arena.filtered, INPUTS);
}
void kg_snapshot_restore(const uint8_t *from)
{
    memcpy(kg_arena.filtered, from, INPUTS);
}
const int32_t *kg_predict_suffix(void)
{
    return predict_suffix();
}
const int32_t *kg_train_step_suffix(int32_t label, kg_learning_rate rate)
{
    return train_step_suffix(label, rate);
}
