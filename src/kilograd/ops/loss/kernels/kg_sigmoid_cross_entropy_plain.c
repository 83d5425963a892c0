#include "kg_loss.h"

KG_SMALL
void kg_sigmoid_cross_entropy_plain(const kg_sigmoid_cross_entropy_parameters *p,
                                    const kg_control *control, const int32_t *logits,
                                    int8_t *gradient, int32_t *loss_exponent, int32_t *scratch)
{
    uint32_t seen = 0, has_spike = 0;
    for (int32_t c = 0; c < control->classes; c++) {
        const int64_t z = logits[c];
        const int64_t size = z < 0 ? -z : z;
        const int32_t power = kg_exp2_negative(p->exp2_coefficient, (size * p->log2_e) >> 16);
        const uint64_t total = (uint32_t)KG_LOSS_ONE + (uint32_t)power;
        const int32_t present =
            (int32_t)kg_share((uint32_t)(z < 0 ? power : KG_LOSS_ONE), total, 30);
        const uint32_t applies = (uint32_t)control->label >> c & 1;
        has_spike |= (applies ? present : KG_LOSS_ONE - present) < KG_LOSS_SPIKE;
        scratch[c] = applies ? present - KG_LOSS_ONE : present;
        seen |= (uint32_t)(scratch[c] < 0 ? -scratch[c] : scratch[c]);
    }
    kg_counted.loss_spikes += has_spike;
    *loss_exponent = kg_round_loss(control, p->rng_stream, p->classes, scratch, seen, gradient);
}
