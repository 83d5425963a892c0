#include "kernels.h"

uint32_t random_word(uint32_t seed, uint32_t counter)
{
    uint32_t x = seed ^ (counter * 0x9E3779B9u);
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
}

void frozen_filter(const int8_t *in, int8_t *out, int32_t length)
{
    for (int32_t i = 0; i < length; i++) {
        const int32_t left = in[i == 0 ? 0 : i - 1];
        const int64_t scaled =
            (int64_t)(left + 2 * in[i]) * 1518500250; /* SMULL, or a library call */
        const int32_t value = (int32_t)(scaled >> 32) + in[i] / (left | 1);
        out[i] = (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
    }
}

void dense(const int8_t *x, const int8_t *w, const int32_t *bias, int32_t *out, int32_t inputs,
           int32_t outputs)
{
    for (int32_t o = 0; o < outputs; o++) {
        int32_t sum = bias[o];
        for (int32_t i = 0; i < inputs; i++)
            sum += x[i] * w[o * inputs + i];
        out[o] = sum;
    }
}
