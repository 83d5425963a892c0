#include "kg_pointwise.h"

static int32_t dot(const int16_t *a, const int16_t *b, int32_t count)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

void kg_pointwise_weight_update_plain(const kg_pointwise_weight_update_parameters *p,
                                      const kg_control *control, int8_t *weight,
                                      const int8_t *gradient, const int32_t *gradient_exponent,
                                      const int8_t *x, const int32_t *loss_exponent,
                                      uint32_t *scratch)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    int16_t *const column = (int16_t *)(void *)scratch;
    int16_t *const tile = column + p->positions;
    kg_counted.weight_updates += (uint32_t)(p->outputs * p->trained);
    for (int32_t first = 0; first < p->trained; first += KG_WEIGHT_UPDATE_TILE) {
        const int32_t width =
            p->trained - first < KG_WEIGHT_UPDATE_TILE ? p->trained - first : KG_WEIGHT_UPDATE_TILE;
        for (int32_t t = 0; t < width; t++) {
            const int8_t *from = x + (p->order == NULL ? first + t : p->order[first + t]);
            for (int32_t position = 0; position < p->positions; position++)
                tile[t * p->positions + position] =
                    (int16_t)(from[position * p->channels] - p->zero_point);
        }
        for (int32_t o = 0; o < p->outputs; o++) {
            for (int32_t position = 0; position < p->positions; position++)
                column[position] = gradient[position * p->outputs + o];
            for (int32_t t = 0; t < width; t++) {
                const int32_t at = o * p->trained + first + t;
                const int32_t sum = dot(column, tile + t * p->positions, p->positions);
                kg_update_weight(control, weight, at, sum, p->mantissa[o],
                                 p->exponent[o] + exponent, key);
            }
            KG_YIELD_POINT();
        }
    }
}
