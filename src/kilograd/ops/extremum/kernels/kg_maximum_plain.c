#include "kg_extremum.h"

void kg_maximum_plain(const kg_maximum_parameters *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    for (int32_t i = 0; i < p->count; i++)
        y[i] = a[i] > b[i] ? a[i] : b[i];
}
