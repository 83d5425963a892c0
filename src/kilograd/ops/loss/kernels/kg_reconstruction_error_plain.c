#include "kg_loss.h"

#define KG_MOST_DIFFERENCE 32767 /* Q14: twice the unit */

KG_SMALL
void kg_reconstruction_error_plain(const kg_reconstruction_error_parameters *p,
                                   const int8_t *reconstruction, const int8_t *sample,
                                   int32_t *error)
{
    uint64_t total = 0;
    for (int32_t i = 0; i < p->elements; i++) {
        const int64_t made = (int64_t)(reconstruction[i] - p->zero_point) * p->factor;
        const int64_t given = (int64_t)(sample[i] - p->sample_zero_point) * p->sample_factor;
        const int64_t difference = (made - given) >> 16;
        const int64_t size = difference < 0 ? -difference : difference;
        const uint32_t most =
            size < KG_MOST_DIFFERENCE ? (uint32_t)size : (uint32_t)KG_MOST_DIFFERENCE;
        total += most * most;
    }
    *error = (int32_t)(total / (uint32_t)p->elements);
}
