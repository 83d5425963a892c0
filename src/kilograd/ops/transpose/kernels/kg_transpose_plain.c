#include "kg_transpose.h"

#include <string.h>

static int8_t *strided_copy(const kg_transpose_parameters *p, const int8_t *x, int8_t *y)
{
    const size_t count = (size_t)p->extent4, stride = (size_t)p->stride4;
    if (stride == 1)
        memcpy(y, x, count);
    else
        for (size_t i = 0; i < count; i++, x += stride)
            y[i] = *x;
    return y + count;
}

KG_SMALL
void kg_transpose_plain(const kg_transpose_parameters *p, const int8_t *x, int8_t *y)
{
    for (int32_t a = 0; a < p->extent0; a++) {
        for (int32_t b = 0; b < p->extent1; b++) {
            const int8_t *from =
                x + (size_t)a * (size_t)p->stride0 + (size_t)b * (size_t)p->stride1;
            for (int32_t c = 0; c < p->extent2; c++, from += p->stride2)
                for (int32_t d = 0; d < p->extent3; d++)
                    y = strided_copy(p, from + (size_t)d * (size_t)p->stride3, y);
        }
    }
}
