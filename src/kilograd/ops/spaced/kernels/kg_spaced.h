/* Convolutions whose windows are dilated, or whose strides differ down and across. Activations
   [height][width][channels]; weights [outputs][kernel_height][kernel_width][channels], depthwise
   [kernel_height][kernel_width][channels]. */
#ifndef KG_SPACED_H
#define KG_SPACED_H

#include "kg_arithmetic.h"
#include "kg_spaced_window.h"

#define KG_SPACED_WINDOW_MEMBERS                                                                   \
    int32_t input_height, input_width, output_height, output_width;                                \
    int32_t kernel_height, kernel_width, top, left;                                                \
    int32_t row_stride, column_stride, row_dilation, column_dilation

typedef struct {
    KG_SPACED_WINDOW_MEMBERS;
    int32_t channels, outputs;
    int32_t zero_point, output_zero_point;
    const int32_t *multiplier;
    const int8_t *shift;
} kg_spaced_conv_parameters;

/* scratch: as kg_conv */
#define KG_SPACED_CONV(variant)                                                                    \
    void variant(const kg_spaced_conv_parameters *p, const int8_t *x, const int32_t *bias,         \
                 const int8_t *weight, int8_t *y, uint32_t *scratch)

KG_SPACED_CONV(kg_spaced_conv_plain);
KG_SPACED_CONV(kg_spaced_conv_dsp);

typedef struct {
    KG_SPACED_WINDOW_MEMBERS;
    int32_t channels, outputs;
    const int16_t *channel_mantissa; /* [outputs]: weight scales over a common unit */
    int32_t channel_shift;           /* bits dropped after scaling a gradient by its channel */
    int32_t mantissa, exponent;      /* the unit */
    int32_t rng_stream;
} kg_spaced_conv_input_gradient_parameters;

/* scratch: int32 [channels] */
void kg_spaced_conv_input_gradient_plain(const kg_spaced_conv_input_gradient_parameters *p,
                                         const kg_control *control, const int8_t *gradient,
                                         const int32_t *gradient_exponent, const int8_t *weight,
                                         const int32_t *result_exponent, int8_t *result,
                                         uint32_t *magnitude, int32_t *scratch);

typedef struct {
    KG_SPACED_WINDOW_MEMBERS;
    int32_t channels, outputs;
    int32_t trained;
    const uint16_t *trained_channel;
    int32_t zero_point;
    const int16_t *mantissa; /* [outputs]: input scale over weight scale */
    const int8_t *exponent;
    int32_t rng_stream;
} kg_spaced_conv_weight_update_parameters;

void kg_spaced_conv_weight_update_plain(const kg_spaced_conv_weight_update_parameters *p,
                                        const kg_control *control, int8_t *weight,
                                        const int8_t *gradient, const int32_t *gradient_exponent,
                                        const int8_t *x, const int32_t *loss_exponent);

typedef struct {
    KG_SPACED_WINDOW_MEMBERS;
    int32_t channels;
    int32_t zero_point, output_zero_point;
    const int32_t *multiplier;
    const int8_t *shift;
} kg_spaced_depthwise_parameters;

#define KG_SPACED_DEPTHWISE(variant)                                                               \
    void variant(const kg_spaced_depthwise_parameters *p, const int8_t *x, const int32_t *bias,    \
                 const int8_t *weight, int8_t *y)

KG_SPACED_DEPTHWISE(kg_spaced_depthwise_plain);
KG_SPACED_DEPTHWISE(kg_spaced_depthwise_dsp);

/* Channels from `first` on. */
void kg_spaced_depthwise_plain_from(const kg_spaced_depthwise_parameters *p, int32_t first,
                                    const int8_t *x, const int32_t *bias, const int8_t *weight,
                                    int8_t *y);

typedef struct {
    KG_SPACED_WINDOW_MEMBERS;
    int32_t channels;
    const int16_t *channel_mantissa; /* [channels]: weight scales over a common unit */
    int32_t mantissa, exponent;      /* the unit */
    int32_t rng_stream;
} kg_spaced_depthwise_input_gradient_parameters;

void kg_spaced_depthwise_input_gradient_plain(
    const kg_spaced_depthwise_input_gradient_parameters *p, const kg_control *control,
    const int8_t *gradient, const int32_t *gradient_exponent, const int8_t *weight,
    const int32_t *result_exponent, int8_t *result, uint32_t *magnitude);

typedef struct {
    KG_SPACED_WINDOW_MEMBERS;
    int32_t channels;
    int32_t trained;
    const uint16_t *trained_channel;
    int32_t zero_point;
    const int16_t *mantissa; /* [channels]: input scale over weight scale */
    const int8_t *exponent;
    int32_t rng_stream;
} kg_spaced_depthwise_weight_update_parameters;

void kg_spaced_depthwise_weight_update_plain(const kg_spaced_depthwise_weight_update_parameters *p,
                                             const kg_control *control, int8_t *weight,
                                             const int8_t *gradient,
                                             const int32_t *gradient_exponent, const int8_t *x,
                                             const int32_t *loss_exponent);

#endif
