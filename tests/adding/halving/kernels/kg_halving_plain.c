#include "kg_halving.h"

void kg_halving_plain(const kg_halving_parameters *p, const int8_t *x, int8_t *y)
{
    for (int32_t row = 0; row + 2 <= p->height; row += 2)
        for (int32_t column = 0; column + 2 <= p->width; column += 2) {
            const int8_t *window = x + (row * p->width + column) * p->channels;
            for (int32_t c = 0; c < p->channels; c++, window++)
                *y++ = window[kg_halving_largest(p, window)];
        }
}
