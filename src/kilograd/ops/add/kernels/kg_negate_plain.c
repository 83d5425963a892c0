#include "kg_add.h"

void kg_negate_plain(const kg_negate_parameters *p, const int8_t *x, int8_t *y)
{
    for (int32_t i = 0; i < p->count; i++)
        y[i] = (int8_t)(x[i] == -128 ? 127 : -x[i]);
}
