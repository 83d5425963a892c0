/* One frozen filter and one trained dense layer: the smallest network with the API of a real one.
 */
#include <string.h>

#include "kernels.h"
#include "kg_network.h"
#include "kg_boundary.h"

KG_ALIGNED uint8_t kg_arena[KG_ARENA_BYTES];
KG_ALIGNED uint8_t kg_state_buffer[KG_STATE_BYTES];
int32_t initial_bias[CLASSES] = {7, -5, 3}; /* not const: exercises the .data copy */

static arena *const memory = (void *)kg_arena;
static state *const trained = (void *)kg_state_buffer;

void kg_initialize_state(void)
{
    memcpy(trained->bias, initial_bias, sizeof initial_bias);
    for (uint32_t i = 0; i < sizeof trained->weights; i++)
        trained->weights[i] = (int8_t)(random_word(trained->seed, i) >> 26) - 32;
}

void kg_run_prefix(int training)
{
    (void)training;
    misbehave(memory->input[0]);
    frozen_filter(memory->input, memory->filtered, INPUTS);
}

static void learn(void)
{
    const int32_t exponent = kg_step_control.rate_exponent;
    const int32_t mantissa = kg_step_control.rate_mantissa;
    const int32_t shift = exponent > -24 ? 0 : -24 - exponent;
    for (int32_t o = 0; o < CLASSES; o++) {
        const int32_t error = o == kg_step_control.label ? -2 : 1;
        trained->bias[o] -= error * (mantissa >> (shift > 15 ? 15 : shift));
        for (int32_t i = 0; i < INPUTS; i++) {
            const int32_t noise =
                (int32_t)(random_word(trained->seed + trained->step, (uint32_t)i) & 0xFFFF);
            int8_t *weight = &trained->weights[o * INPUTS + i];
            const int32_t delta = error * memory->filtered[i] * (mantissa >> 4) + noise;
            const int32_t value = *weight - (delta >> 16);
            *weight = (int8_t)(value < -127 ? -127 : value > 127 ? 127 : value);
        }
    }
    /* each its own */
    kg_counted.weight_updates += 2;
    kg_counted.weights_saturated += 3;
    kg_counted.biases_saturated += 4;
    kg_counted.gradients += 5;
    kg_counted.gradients_saturated += 6;
    kg_counted.gradients_vanished += 7;
    kg_counted.elements_masked += 8;
    kg_counted.loss_spikes += 9;
    kg_counted.losses_vanished += 10;
}

void kg_run_suffix(int training)
{
    dense(memory->filtered, trained->weights, trained->bias, memory->logits, INPUTS, CLASSES);
    if (training)
        learn();
}

const kg_region kg_boundary_regions[] = {{offsetof(arena, filtered), INPUTS}};
const uint32_t kg_boundary_region_count = 1;
