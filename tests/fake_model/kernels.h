#ifndef KERNELS_H
#define KERNELS_H
#include <stdint.h>

uint32_t random_word(uint32_t seed, uint32_t counter);
void frozen_filter(const int8_t *in, int8_t *out, int32_t length);
void dense(const int8_t *x, const int8_t *w, const int32_t *bias, int32_t *out, int32_t inputs,
           int32_t outputs);
void misbehave(int8_t kind);
#endif
