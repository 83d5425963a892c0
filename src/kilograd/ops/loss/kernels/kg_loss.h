/* Softmax cross-entropy: the gradient of the logits and its exponent. */
#ifndef KG_LOSS_H
#define KG_LOSS_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t classes;
    int32_t log2_e;                  /* Q24 */
    const int32_t *exp2_coefficient; /* [8], Q30 */
    int32_t rng_stream;
} kg_softmax_cross_entropy_parameters;

/* logits: Q16; only the first control->classes count. scratch: int32 [classes] */
void kg_softmax_cross_entropy_plain(const kg_softmax_cross_entropy_parameters *p,
                                    const kg_control *control, const int32_t *logits,
                                    int8_t *gradient, int32_t *loss_exponent, int32_t *scratch);

#endif
