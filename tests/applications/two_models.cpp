// Two networks in one C++ program; each learns by itself.
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "gesture.h"
#include "kilograd.h"

static void print(const std::uint8_t *state, std::uint32_t bytes)
{
    for (std::uint32_t i = 0; i < bytes; i++)
        std::printf("%02x", state[i]);
    std::printf("\n");
}

int main()
{
    const kg_learning_rate one = {25166, -24, 0};
    const gesture_learning_rate other = {25166, -22, 0};
    kg_init(1);
    gesture_init(2);
    for (int step = 0; step < 3; step++) {
        std::memset(kg_input(), step, KG_INPUT_BYTES);
        std::memset(gesture_input(), -step, GESTURE_INPUT_BYTES);
        if (kg_learn(step, one) < 0 || gesture_learn(2 - step, other) < 0)
            return 1;
    }
    print(kg_state(), KG_STATE_BYTES);
    print(gesture_state(), GESTURE_STATE_BYTES);
    return KG_MODEL_ID == GESTURE_MODEL_ID;
}
