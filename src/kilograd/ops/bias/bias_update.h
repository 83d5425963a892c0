/* b -= rate * gradient summed over positions / scale(b), rounded stochastically. */
#ifndef KG_BIAS_UPDATE_H
#define KG_BIAS_UPDATE_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t positions, channels;
    int32_t limit; /* of |bias| */
    const int16_t *mantissa; /* [channels]: 1 / scale */
    const int8_t *exponent;
    int32_t rng_stream;
} kg_bias_update_parameters;

void kg_bias_update(const kg_bias_update_parameters *p, const kg_control *control, int32_t *bias,
                  const int8_t *gradient, const int32_t *gradient_exponent,
                  const int32_t *loss_exponent);

#endif
