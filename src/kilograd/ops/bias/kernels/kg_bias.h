/* b -= rate * gradient summed over positions / scale(b), rounded stochastically. */
#ifndef KG_BIAS_H
#define KG_BIAS_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t positions, channels;
    int32_t limit;           /* of |bias| */
    const int16_t *mantissa; /* [channels]: 1 / scale */
    const int8_t *exponent;
    int32_t rng_stream;
} kg_bias_update_parameters;

#define KG_BIAS_UPDATE(variant)                                                                    \
    void variant(const kg_bias_update_parameters *p, const kg_control *control, int32_t *bias,     \
                 const int8_t *gradient, const int32_t *gradient_exponent,                         \
                 const int32_t *loss_exponent)

KG_BIAS_UPDATE(kg_bias_update_plain);
KG_BIAS_UPDATE(kg_bias_update_dsp);
KG_BIAS_UPDATE(kg_bias_update_host);

/* Updates one channel, whose gradient over the positions is summed. */
static inline void kg_update_bias(const kg_bias_update_parameters *p, const kg_control *control,
                                  uint32_t key, int32_t exponent, int32_t c, int32_t sum,
                                  int32_t *bias)
{
    const int32_t step = kg_step(control, sum, p->mantissa[c], p->exponent[c] + exponent,
                                 kg_random(key, (uint32_t)c));
    bias[c] = kg_stepped_bias(bias[c], step, p->limit);
}

/* Updates the channels from c on, one at a time. */
static inline void kg_update_biases(const kg_bias_update_parameters *p, const kg_control *control,
                                    uint32_t key, int32_t exponent, int32_t c,
                                    const int8_t *gradient, int32_t *bias)
{
    for (; c < p->channels; c++) {
        int32_t sum = 0;
        const int8_t *from = gradient + c;
        for (int32_t position = 0; position < p->positions; position++)
            sum += from[position * p->channels];
        kg_update_bias(p, control, key, exponent, c, sum, bias);
    }
}

#endif
