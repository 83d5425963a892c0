/* b -= rate * gradient summed over positions / scale(b), rounded stochastically. */
#ifndef KG_BIAS_STEP_H
#define KG_BIAS_STEP_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t positions, channels;
    int32_t limit; /* of |bias| */
    const int16_t *mantissa; /* [channels]: 1 / scale */
    const int8_t *exponent;
    int32_t stream;
} kg_bias_step_parameters;

void kg_bias_step(const kg_bias_step_parameters *p, const kg_control *control, int32_t *bias,
                  const int8_t *gradient, const int32_t *gradient_exponent,
                  const int32_t *loss_exponent);

#endif
