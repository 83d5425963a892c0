#include "kg_requantize.h"

void kg_requantize_map_plain(const kg_requantize_map_parameters *p, const int8_t *x, int8_t *y)
{
    for (int32_t i = 0; i < p->count; i++)
        y[i] = kg_requantize(x[i] - p->zero_point, p->multiplier, p->shift, p->output_zero_point);
}
