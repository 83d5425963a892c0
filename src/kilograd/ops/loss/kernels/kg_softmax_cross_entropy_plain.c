#include "kg_loss.h"

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
        scratch[c] = kg_exp2_negative(p->exp2_coefficient, (below * p->log2_e) >> 16);
        total += (uint32_t)scratch[c];
    }
    uint32_t seen = 0;
    for (int32_t c = 0; c < control->classes; c++) {
        scratch[c] = (int32_t)kg_share((uint32_t)scratch[c], total, 30);
        if (c == control->label) {
            kg_counted.loss_spikes += scratch[c] < KG_LOSS_SPIKE;
            scratch[c] -= KG_LOSS_ONE;
        }
        seen |= (uint32_t)(scratch[c] < 0 ? -scratch[c] : scratch[c]);
    }
    *loss_exponent = kg_round_loss(control, p->rng_stream, p->classes, scratch, seen, gradient);
}
