/* What a run has been through. Normative text: docs/numerics.md, section 9. */
#ifndef KG_COUNTERS_H
#define KG_COUNTERS_H

#include <stdint.h>

/* Since kg_init or kg_restore, modulo 2^32; no part of the state. */
typedef struct {
    uint32_t steps;               /* training steps */
    uint32_t weight_updates;      /* steps of single weights */
    uint32_t weights_saturated;   /* of them, those that were cut at the end of their range */
    uint32_t biases_saturated;    /* steps of biases that were cut at the end of their range */
    uint32_t gradients;           /* gradient tensors with an exponent of their own */
    uint32_t gradients_saturated; /* of them, those with an element beyond +-127 */
    uint32_t gradients_vanished;  /* of them, those of nothing but zeros */
    uint32_t elements_masked;     /* elements of gradients that a clamp stopped */
    uint32_t loss_spikes;         /* steps whose sample's class had a probability below 2^-16 */
    uint32_t losses_vanished;     /* steps whose loss had a gradient of less than seven bits */
} kg_counters;

#endif
