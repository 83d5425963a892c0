/* Max pooling over windows of 2x2 with stride 2, and its gradient. Maps are [height, width,
   channels]; a last odd row or column belongs to no window. */
#ifndef KG_HALVING_H
#define KG_HALVING_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t height, width, channels; /* of the pool's input */
} kg_halving_parameters;

void kg_halving_plain(const kg_halving_parameters *p, const int8_t *x, int8_t *y);

typedef kg_halving_parameters kg_halving_input_gradient_parameters;

void kg_halving_input_gradient_plain(const kg_halving_input_gradient_parameters *p,
                                     const int8_t *gradient, const int8_t *x, int8_t *result);

/* How far the largest element of a window lies behind its first; of equal ones, the first in
   row-major order. `window` is the first element of one channel. */
static inline int32_t kg_halving_largest(const kg_halving_parameters *p, const int8_t *window)
{
    const int32_t below = p->width * p->channels;
    const int32_t places[4] = {0, p->channels, below, below + p->channels};
    int32_t largest = 0;
    for (int32_t i = 1; i < 4; i++)
        if (window[places[i]] > window[largest])
            largest = places[i];
    return largest;
}

#endif
