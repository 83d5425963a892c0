#include "kg_loss.h"

KG_SMALL
void kg_huber_loss_plain(const kg_huber_loss_parameters *p, const kg_control *control,
                         const int32_t *logits, int8_t *gradient, int32_t *loss_exponent)
{
    const int64_t error = (int64_t)logits[0] - control->label;
    const int64_t size = error < 0 ? -error : error;
    kg_counted.loss_spikes += size >= KG_HUBER_SPIKE;
    const int32_t most = size < KG_HUBER_DELTA ? (int32_t)size : KG_HUBER_DELTA;
    const int32_t clipped = (error < 0 ? -most : most) * (KG_LOSS_ONE / KG_HUBER_DELTA);
    *loss_exponent =
        kg_round_loss(control, p->rng_stream, 1, &clipped, (uint32_t)most << 14, gradient);
}
