#include "kg_loss.h"

/* Reconstruction less sample in Q30, 1 at most. */
static int32_t difference(const kg_reconstruction_loss_parameters *p, int8_t reconstruction,
                          int8_t sample)
{
    const int64_t made = (int64_t)(reconstruction - p->zero_point) * p->factor;
    const int64_t given = (int64_t)(sample - p->sample_zero_point) * p->sample_factor;
    const int64_t found = made - given;
    if (found > KG_LOSS_ONE)
        return KG_LOSS_ONE;
    return found < -KG_LOSS_ONE ? -KG_LOSS_ONE : (int32_t)found;
}

KG_SMALL
void kg_reconstruction_loss_plain(const kg_reconstruction_loss_parameters *p,
                                  const kg_control *control, const int8_t *reconstruction,
                                  const int8_t *sample, const int32_t *error, int8_t *gradient,
                                  int32_t *loss_exponent)
{
    kg_counted.loss_spikes += error[0] >= KG_RECONSTRUCTION_SPIKE;
    uint32_t seen = 0;
    for (int32_t i = 0; i < p->elements; i++) {
        const int32_t found = difference(p, reconstruction[i], sample[i]);
        seen |= (uint32_t)(found < 0 ? -found : found);
    }
    const int32_t shift = kg_loss_shift(seen);
    const uint32_t key = kg_random_key(control, p->rng_stream);
    for (int32_t i = 0; i < p->elements; i++)
        gradient[i] = kg_rounded_error(difference(p, reconstruction[i], sample[i]), shift, key, i);
    *loss_exponent = shift - 30;
}
