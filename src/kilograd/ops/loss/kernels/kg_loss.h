/* Losses: the gradient of the logits and its exponent. */
#ifndef KG_LOSS_H
#define KG_LOSS_H

#include "kg_arithmetic.h"

#define KG_LOSS_ONE (INT32_C(1) << 30)
#define KG_LOSS_SPIKE (INT32_C(1) << 14) /* a probability of 2^-16 */
#define KG_LOSS_COEFFICIENTS 8

/* 2^(-u) in Q30 for u >= 0 in Q24. */
static inline int32_t kg_exp2_negative(const int32_t *coefficient, int64_t u)
{
    const int32_t whole = u >> 24 < 31 ? (int32_t)(u >> 24) : 31;
    const int32_t fraction = (int32_t)(u & 0xffffff) << 6;
    int32_t value = coefficient[KG_LOSS_COEFFICIENTS - 1];
    for (int32_t k = KG_LOSS_COEFFICIENTS - 2; k >= 0; k--)
        value = (int32_t)(((int64_t)value * fraction) >> 30) + coefficient[k];
    return value >> whole;
}

/* What is dropped of errors so that the largest has seven bits; seen: all magnitudes, or-ed. */
static inline int32_t kg_loss_shift(uint32_t seen)
{
    int32_t bits = 0;
    for (; seen != 0; seen >>= 1)
        bits++;
    kg_counted.losses_vanished += bits < 7;
    return bits > 7 ? bits - 7 : 0;
}

/* An element of the gradient, rounded stochastically; error: Q30. */
static inline int8_t kg_rounded_error(int32_t error, int32_t shift, uint32_t key, int32_t index)
{
    const uint32_t noise = kg_random(key, (uint32_t)index);
    return (int8_t)kg_clamp(kg_stochastic_round16(error, shift, noise), -127, 127);
}

/* The gradient in seven bits, rounded stochastically; its exponent.
   errors: Q30 [control->classes]; seen: all their magnitudes, or-ed; gradient: int8 [classes] */
static inline int32_t kg_round_loss(const kg_control *control, int32_t rng_stream, int32_t classes,
                                    const int32_t *errors, uint32_t seen, int8_t *gradient)
{
    const int32_t shift = kg_loss_shift(seen);
    const uint32_t key = kg_random_key(control, rng_stream);
    for (int32_t c = 0; c < control->classes; c++)
        gradient[c] = kg_rounded_error(errors[c], shift, key, c);
    for (int32_t c = control->classes; c < classes; c++)
        gradient[c] = 0;
    return shift - 30;
}

typedef struct {
    int32_t classes;
    int32_t log2_e;                  /* Q24 */
    const int32_t *exp2_coefficient; /* [8], Q30 */
    int32_t rng_stream;
} kg_softmax_cross_entropy_parameters;

typedef kg_softmax_cross_entropy_parameters kg_sigmoid_cross_entropy_parameters;

/* logits: Q16; only the first control->classes count. scratch: int32 [classes] */
void kg_softmax_cross_entropy_plain(const kg_softmax_cross_entropy_parameters *p,
                                    const kg_control *control, const int32_t *logits,
                                    int8_t *gradient, int32_t *loss_exponent, int32_t *scratch);

/* As above, control->label being a set: bit c is 1 where label c applies. */
void kg_sigmoid_cross_entropy_plain(const kg_sigmoid_cross_entropy_parameters *p,
                                    const kg_control *control, const int32_t *logits,
                                    int8_t *gradient, int32_t *loss_exponent, int32_t *scratch);

#define KG_HUBER_DELTA (INT32_C(1) << 16) /* Q16: half the range of values */
#define KG_HUBER_SPIKE (INT32_C(1) << 19) /* Q16: four times the range */

typedef struct {
    int32_t rng_stream;
} kg_huber_loss_parameters;

/* logits: Q16 [1], as control->label, which is the right value. */
void kg_huber_loss_plain(const kg_huber_loss_parameters *p, const kg_control *control,
                         const int32_t *logits, int8_t *gradient, int32_t *loss_exponent);

#define KG_RECONSTRUCTION_SPIKE (INT32_C(1) << 28) /* Q28: a root mean square of 1 */

typedef struct {
    int32_t elements;
    int32_t zero_point, factor;               /* of the reconstruction; a step in Q30 */
    int32_t sample_zero_point, sample_factor; /* of the sample, likewise */
} kg_reconstruction_error_parameters;

typedef struct {
    int32_t elements;
    int32_t zero_point, factor;
    int32_t sample_zero_point, sample_factor;
    int32_t rng_stream;
} kg_reconstruction_loss_parameters;

/* error: the mean of squared differences, Q28 [1] */
void kg_reconstruction_error_plain(const kg_reconstruction_error_parameters *p,
                                   const int8_t *reconstruction, const int8_t *sample,
                                   int32_t *error);

/* gradient: of the reconstruction, int8 [elements]; error: what the kernel above has found */
void kg_reconstruction_loss_plain(const kg_reconstruction_loss_parameters *p,
                                  const kg_control *control, const int8_t *reconstruction,
                                  const int8_t *sample, const int32_t *error, int8_t *gradient,
                                  int32_t *loss_exponent);

#endif
