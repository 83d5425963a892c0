#include "kg_pool.h"

KG_SMALL
void kg_average_pool_plain(const kg_average_pool_parameters *p, const int8_t *x, int8_t *y)
{
    const int32_t half = p->positions / 2;
    for (int32_t c = 0; c < p->channels; c++) {
        int32_t sum = 0;
        for (int32_t position = 0; position < p->positions; position++)
            sum += x[position * p->channels + c];
        y[c] = (int8_t)((sum < 0 ? sum - half : sum + half) / p->positions);
    }
}
