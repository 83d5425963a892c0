/* Trained biases: what they were before, in flash, and how far they have moved, in SRAM. */
#ifndef KG_BIAS_H
#define KG_BIAS_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t count;
    int8_t unit_bits; /* the delta's unit is 2^unit_bits of the bias's */
    int8_t wide;      /* the delta has 16 bits, otherwise 8 */
    int8_t wide_base; /* the base has 32 bits, otherwise 16 */
} kg_apply_bias_delta_parameters;

static inline int32_t kg_bias_base(const void *base, int32_t wide, int32_t c)
{
    if (base == NULL)
        return 0;
    return wide ? ((const int32_t *)base)[c] : ((const int16_t *)base)[c];
}

static inline int32_t kg_bias_delta(const void *delta, int32_t wide, int32_t c)
{
    return wide ? ((const int16_t *)delta)[c] : ((const int8_t *)delta)[c];
}

/* bias = base + delta * 2^unit_bits; base may be NULL, which is zero. */
void kg_apply_bias_delta_plain(const kg_apply_bias_delta_parameters *p, const void *base,
                               const void *delta, int32_t *bias);

typedef struct {
    int32_t positions, channels;
    int32_t limit;           /* of |bias| */
    const int16_t *mantissa; /* [channels]: 1 / scale of the delta */
    const int8_t *exponent;
    int32_t rng_stream;
    int8_t unit_bits, wide, wide_base; /* as above */
} kg_bias_update_parameters;

/* delta -= rate * gradient summed over positions / scale(delta), rounded stochastically, so that
   the delta fits its bits and the bias stays within the limit; base may be NULL, which is zero. */
#define KG_BIAS_UPDATE(variant)                                                                    \
    void variant(const kg_bias_update_parameters *p, const kg_control *control, void *delta,       \
                 const void *base, const int8_t *gradient, const int32_t *gradient_exponent,       \
                 const int32_t *loss_exponent)

KG_BIAS_UPDATE(kg_bias_update_plain);
KG_BIAS_UPDATE(kg_bias_update_dsp);
KG_BIAS_UPDATE(kg_bias_update_host);

/* Updates one channel, whose gradient over the positions is summed. */
static inline void kg_update_bias(const kg_bias_update_parameters *p, const kg_control *control,
                                  uint32_t key, int32_t exponent, int32_t c, int32_t sum,
                                  const void *base, void *delta)
{
    const int32_t step = kg_step(control, sum, p->mantissa[c], p->exponent[c] + exponent,
                                 kg_random(key, (uint32_t)c));
    const int32_t stepped =
        kg_stepped_bias_delta(kg_bias_delta(delta, p->wide, c), kg_bias_base(base, p->wide_base, c),
                              step, p->unit_bits, p->limit, p->wide ? INT16_MAX : INT8_MAX);
    if (p->wide)
        ((int16_t *)delta)[c] = (int16_t)stepped;
    else
        ((int8_t *)delta)[c] = (int8_t)stepped;
}

/* Updates the channels from c on, one at a time. */
static inline void kg_update_biases(const kg_bias_update_parameters *p, const kg_control *control,
                                    uint32_t key, int32_t exponent, int32_t c,
                                    const int8_t *gradient, const void *base, void *delta)
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
