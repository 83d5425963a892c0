#include "kg_loss.h"

#define ONE (INT32_C(1) << 30)
#define SPIKE (INT32_C(1) << 14)
#define COEFFICIENTS 8

/* 2^(-u) in Q30 for u >= 0 in Q24. */
static int32_t exp2_negative(const int32_t *coefficient, int64_t u)
{
    const int32_t whole = u >> 24 < 31 ? (int32_t)(u >> 24) : 31;
    const int32_t fraction = (int32_t)(u & 0xffffff) << 6;
    int32_t value = coefficient[COEFFICIENTS - 1];
    for (int32_t k = COEFFICIENTS - 2; k >= 0; k--)
        value = (int32_t)(((int64_t)value * fraction) >> 30) + coefficient[k];
    return value >> whole;
}

KG_SMALL
void kg_softmax_cross_entropy_plain(const kg_softmax_cross_entropy_parameters *p,
                                    const kg_control *control, const int32_t *logits,
                                    int8_t *gradient, int32_t *loss_exponent, int32_t *scratch)
{
    int32_t largest = logits[0];
    for (int32_t c = 1; c < control->classes; c++)
        largest = logits[c] > largest ? logits[c] : largest;
    uint64_t total = 0;
    for (int32_t c = 0; c < control->classes; c++) {
        const int64_t below = (int64_t)largest - logits[c];
        scratch[c] = exp2_negative(p->exp2_coefficient, (below * p->log2_e) >> 16);
        total += (uint32_t)scratch[c];
    }
    uint32_t seen = 0;
    for (int32_t c = 0; c < control->classes; c++) {
        scratch[c] = (int32_t)kg_share((uint32_t)scratch[c], total, 30);
        if (c == control->label) {
            kg_counted.loss_spikes += scratch[c] < SPIKE;
            scratch[c] -= ONE;
        }
        seen |= (uint32_t)(scratch[c] < 0 ? -scratch[c] : scratch[c]);
    }
    int32_t bits = 0;
    for (; seen != 0; seen >>= 1)
        bits++;
    kg_counted.losses_vanished += bits < 7;
    const int32_t shift = bits > 7 ? bits - 7 : 0;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    for (int32_t c = 0; c < control->classes; c++)
        gradient[c] = (int8_t)kg_clamp(
            kg_stochastic_round16(scratch[c], shift, kg_random(key, (uint32_t)c)), -127, 127);
    for (int32_t c = control->classes; c < p->classes; c++)
        gradient[c] = 0;
    *loss_exponent = shift - 30;
}
