#include "kg_halving.h"

#include <string.h>

void kg_halving_input_gradient_plain(const kg_halving_input_gradient_parameters *p,
                                     const int8_t *gradient, const int8_t *x, int8_t *result)
{
    memset(result, 0, (size_t)(p->height * p->width * p->channels));
    for (int32_t row = 0; row + 2 <= p->height; row += 2)
        for (int32_t column = 0; column + 2 <= p->width; column += 2) {
            const int32_t first = (row * p->width + column) * p->channels;
            for (int32_t i = first; i < first + p->channels; i++)
                result[i + kg_halving_largest(p, x + i)] = *gradient++;
        }
}
