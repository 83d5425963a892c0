#include "kg_border.h"

#include <string.h>

void kg_border_plain(const kg_border_parameters *p, const int8_t *x, int8_t *y)
{
    const size_t channels = (size_t)p->channels;
    for (int32_t i = -p->top; i < p->height + p->bottom; i++) {
        const int32_t row = kg_border_source(i, p->height, p->kind);
        const int8_t *const from = x + row * p->width * p->channels;
        for (int32_t j = -p->left; j < p->width + p->right; j++, y += channels) {
            const int32_t column = kg_border_source(j, p->width, p->kind);
            memcpy(y, from + column * p->channels, channels);
        }
    }
}
