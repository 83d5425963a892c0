/* Trained biases: what they were before, in flash, and how far they have moved, in SRAM. */
#ifndef KG_BIAS_H
#define KG_BIAS_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t count;
    int32_t wide_base; /* the base has 32 bits, otherwise 16 */
} kg_apply_bias_delta_parameters;

static inline int32_t kg_bias_base(const void *base, int32_t wide, int32_t c)
{
    if (base == NULL)
        return 0;
    return wide ? ((const int32_t *)base)[c] : ((const int16_t *)base)[c];
}

/* bias = base + delta; base may be NULL, which is zero. */
void kg_apply_bias_delta_plain(const kg_apply_bias_delta_parameters *p, const void *base,
                               const int16_t *delta, int32_t *bias);

typedef struct {
    int32_t positions, channels;
    int32_t limit;           /* of |bias| */
    const int16_t *mantissa; /* [channels]: 1 / scale */
    const int8_t *exponent;
    int16_t rng_stream;
    int16_t wide_base; /* as above */
} kg_bias_update_parameters;

/* delta -= rate * gradient summed over positions / scale(b), rounded stochastically, so that the
   delta fits 16 bits and base + delta stays within the limit; base may be NULL, which is zero. */
#define KG_BIAS_UPDATE(variant)                                                                    \
    void variant(const kg_bias_update_parameters *p, const kg_control *control, int16_t *delta,    \
                 const void *base, const int8_t *gradient, const int32_t *gradient_exponent,       \
                 const int32_t *loss_exponent)

KG_BIAS_UPDATE(kg_bias_update_plain);
KG_BIAS_UPDATE(kg_bias_update_dsp);
KG_BIAS_UPDATE(kg_bias_update_host);

/* Updates one channel, whose gradient over the positions is summed. */
static inline void kg_update_bias(const kg_bias_update_parameters *p, const kg_control *control,
                                  uint32_t key, int32_t exponent, int32_t c, int32_t sum,
                                  const void *base, int16_t *delta)
{
    const int32_t step = kg_step(control, sum, p->mantissa[c], p->exponent[c] + exponent,
                                 kg_random(key, (uint32_t)c));
    const int32_t from = kg_bias_base(base, p->wide_base, c);
    delta[c] = kg_stepped_bias_delta(delta[c], from, step, p->limit);
}

/* Updates the channels from c on, one at a time. */
static inline void kg_update_biases(const kg_bias_update_parameters *p, const kg_control *control,
                                    uint32_t key, int32_t exponent, int32_t c,
                                    const int8_t *gradient, const void *base, int16_t *delta)
{
    for (; c < p->channels; c++) {
        int32_t sum = 0;
        const int8_t *from = gradient + c;
        for (int32_t position = 0; position < p->positions; position++)
            sum += from[position * p->channels];
        kg_update_bias(p, control, key, exponent, c, sum, base, delta);
    }
}

#endif
