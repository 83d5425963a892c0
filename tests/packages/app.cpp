/* Three steps of training; what was learned, in hexadecimal digits. */
#include <cstdio>
#include <cstring>

#include "kilograd.h"

int main()
{
    kg_init(1);
    const kg_learning_rate rate = {25166, -24, 0};
    for (int32_t step = 0; step < 3; step++) {
        std::memset(kg_input(), step, kg_input_bytes);
        if (kg_train_step(step, rate) == nullptr)
            return 1;
    }
    for (uint32_t i = 0; i < kg_state_bytes; i++)
        std::printf("%02x", kg_state()[i]);
    return 0;
}
