/* Convolutions with a window over all input channels. Activations [height][width][channels],
   weights [outputs][kernel_height][kernel_width][channels]. */
#ifndef KG_CONV_H
#define KG_CONV_H

#include "kg_arithmetic.h"
#include "kg_window.h"

typedef struct {
    KG_WINDOW_MEMBERS;
    int32_t channels, outputs;
    int32_t zero_point, output_zero_point;
    const int32_t *multiplier;
    const int8_t *shift;
} kg_conv_parameters;

/* scratch: plain: int16 [kernel_height * kernel_width * channels]; dsp, for maps of four columns or
   more: 12 bytes for each tap of each channel, these rounded up to fours */
#define KG_CONV(variant)                                                                           \
    void variant(const kg_conv_parameters *p, const int8_t *x, const int32_t *bias,                \
                 const int8_t *weight, int8_t *y, uint32_t *scratch)

KG_CONV(kg_conv_plain);
KG_CONV(kg_conv_dsp);
KG_CONV(kg_conv_host);

typedef struct {
    KG_WINDOW_MEMBERS;
    int32_t channels, outputs;
    const int16_t *channel_mantissa; /* [outputs]: weight scales over a common unit */
    int32_t channel_shift;           /* bits dropped after scaling a gradient by its channel */
    int32_t mantissa, exponent;      /* the unit */
    int32_t rng_stream;
} kg_conv_input_gradient_parameters;

/* scratch: int32 [channels] */
void kg_conv_input_gradient_plain(const kg_conv_input_gradient_parameters *p,
                                  const kg_control *control, const int8_t *gradient,
                                  const int32_t *gradient_exponent, const int8_t *weight,
                                  const int32_t *result_exponent, int8_t *result,
                                  uint32_t *magnitude, int32_t *scratch);

typedef struct {
    KG_WINDOW_MEMBERS;
    int32_t channels, outputs;
    int32_t trained;
    const uint16_t *trained_channel;
    int32_t zero_point;
    const int16_t *mantissa; /* [outputs]: input scale over weight scale */
    const int8_t *exponent;
    int32_t rng_stream;
} kg_conv_weight_update_parameters;

#define KG_CONV_WEIGHT_UPDATE(variant)                                                             \
    void variant(const kg_conv_weight_update_parameters *p, const kg_control *control,             \
                 int8_t *weight, const int8_t *gradient, const int32_t *gradient_exponent,         \
                 const int8_t *x, const int32_t *loss_exponent)

KG_CONV_WEIGHT_UPDATE(kg_conv_weight_update_plain);
KG_CONV_WEIGHT_UPDATE(kg_conv_weight_update_host);

#endif
