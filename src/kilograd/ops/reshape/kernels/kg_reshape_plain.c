#include "kg_reshape.h"

#include <string.h>

void kg_reshape_plain(const kg_reshape_parameters *p, const int8_t *x, int8_t *y)
{
    if (x != y)
        memcpy(y, x, (size_t)p->count);
}
