#include "kg_pool.h"

void kg_mean_plain(const kg_mean_parameters *p, const int8_t *x, int8_t *y)
{
    const int32_t zero = p->positions * p->zero_point;
    for (int32_t block = 0; block < p->blocks; block++) {
        for (int32_t c = 0; c < p->channels; c++) {
            int32_t sum = -zero;
            for (int32_t position = 0; position < p->positions; position++)
                sum += x[position * p->channels + c];
            *y++ = kg_requantize(sum, p->multiplier, p->shift, p->output_zero_point);
        }
        x += p->positions * p->channels;
    }
}
