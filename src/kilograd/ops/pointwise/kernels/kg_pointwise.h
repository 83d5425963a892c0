/* 1x1 convolutions and dense layers. Activations [positions][channels], weights
   [outputs][channels]. Where a share of the input channels is trained, `weight` holds those
   columns ([outputs][trained]) and `frozen` the others; `order` lists the channels of the
   first, then of the second. Without a split, trained == channels and order == NULL.

   Where there is a `delta`, of the shape of `weight`, the weights are moved by it: so many at once
   as the struct's `slice` says, into the last part of the scratch, at `effective_offset` bytes from
   its beginning. Without one, `slice` is all of them. */
#ifndef KG_POINTWISE_H
#define KG_POINTWISE_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t positions, channels, outputs, trained;
    const uint16_t *order;
    int32_t zero_point, output_zero_point;
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t fraction_bits, slice, effective_offset; /* of the delta; outputs; bytes */
} kg_pointwise_parameters;

/* scratch: plain: int16 [channels]; dsp, for four positions or more: int16 [4][trained and rest,
   each rounded up to fours], none for up to KG_POINTWISE_FEW channels that are not split and
   without a delta. Behind it int8 [slice][trained] */
#define KG_POINTWISE_FEW 8
#define KG_POINTWISE(variant)                                                                      \
    void variant(const kg_pointwise_parameters *p, const int8_t *x, const int32_t *bias,           \
                 const int8_t *weight, const int8_t *frozen, const int8_t *delta, int8_t *y,       \
                 int16_t *scratch)

KG_POINTWISE(kg_pointwise_plain);
KG_POINTWISE(kg_pointwise_dsp);
KG_POINTWISE(kg_pointwise_host);

typedef struct {
    int32_t channels, outputs, trained;
    const uint16_t *order;
    int32_t zero_point;
    const int32_t *multiplier;
    const int8_t *shift;
} kg_dense_parameters;

/* int32 results, not clamped. scratch: int16 [channels] */
void kg_dense_plain(const kg_dense_parameters *p, const int8_t *x, const int32_t *bias,
                    const int8_t *weight, const int8_t *frozen, int32_t *y, int16_t *scratch);

typedef struct {
    int32_t positions, channels, outputs, trained;
    const uint16_t *order;
    const int16_t *channel_mantissa; /* [outputs]: weight scales over a common unit */
    int32_t channel_shift;           /* bits dropped after scaling a gradient by its channel */
    int32_t mantissa, exponent;      /* the unit */
    int32_t rng_stream;
    int32_t fraction_bits, slice, effective_offset; /* of the delta; trained channels; bytes */
} kg_pointwise_input_gradient_parameters;

/* scratch: plain: int32 [channels], int16 [outputs]; dsp: 8 bytes for each output, these rounded up
   to two, but at least what the plain one takes, which serves unusual exponents. Behind it
   int8 [outputs][slice] */
#define KG_POINTWISE_INPUT_GRADIENT(variant)                                                       \
    void variant(const kg_pointwise_input_gradient_parameters *p, const kg_control *control,       \
                 const int8_t *gradient, const int32_t *gradient_exponent, const int8_t *weight,   \
                 const int8_t *frozen, const int8_t *delta, const int32_t *result_exponent,        \
                 int8_t *result, uint32_t *magnitude, uint32_t *scratch)

KG_FALLBACK KG_POINTWISE_INPUT_GRADIENT(kg_pointwise_input_gradient_plain);
KG_POINTWISE_INPUT_GRADIENT(kg_pointwise_input_gradient_dsp);
KG_POINTWISE_INPUT_GRADIENT(kg_pointwise_input_gradient_host);

typedef struct {
    int32_t positions, channels, outputs, trained;
    const uint16_t *order;
    int32_t zero_point;
    const int16_t *mantissa; /* [outputs]: input scale over weight scale */
    const int8_t *exponent;
    int32_t rng_stream;
} kg_pointwise_weight_update_parameters;

/* scratch: rows of int16 [positions], one for the gradient and KG_WEIGHT_UPDATE_TILE for the
   activations; dsp: positions rounded up to two, and four for the gradient */
#define KG_WEIGHT_UPDATE_TILE 8
#define KG_POINTWISE_WEIGHT_UPDATE(variant)                                                        \
    void variant(const kg_pointwise_weight_update_parameters *p, const kg_control *control,        \
                 int8_t *weight, const int8_t *gradient, const int32_t *gradient_exponent,         \
                 const int8_t *x, const int32_t *loss_exponent, uint32_t *scratch)

KG_POINTWISE_WEIGHT_UPDATE(kg_pointwise_weight_update_plain);
KG_POINTWISE_WEIGHT_UPDATE(kg_pointwise_weight_update_dsp);
KG_POINTWISE_WEIGHT_UPDATE(kg_pointwise_weight_update_host);

typedef kg_pointwise_weight_update_parameters kg_dense_weight_update_parameters;

/* For weights of 16 bits, at one position. */
void kg_dense_weight_update_plain(const kg_dense_weight_update_parameters *p,
                                  const kg_control *control, int16_t *weight,
                                  const int8_t *gradient, const int32_t *gradient_exponent,
                                  const int8_t *x, const int32_t *loss_exponent);

#endif
