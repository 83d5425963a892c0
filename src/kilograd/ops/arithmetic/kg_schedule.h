/* The learning rate of one step of a run. Normative text: docs/numerics.md, section 8. */
#ifndef KG_SCHEDULE_H
#define KG_SCHEDULE_H

#include "kg_arithmetic.h"

/* Sets the rate of step control->step of a run of `steps`: it rises linearly over the first
   twentieth, at least one step, then falls along half a cosine to zero. steps = 0: constant. */
void kg_set_rate(kg_control *control, int32_t mantissa, int32_t exponent, uint32_t steps);

#endif
