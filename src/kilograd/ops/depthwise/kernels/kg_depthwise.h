/* Depthwise convolutions. Activations [height][width][channels], weights
   [kernel_height][kernel_width][channels]. */
#ifndef KG_DEPTHWISE_H
#define KG_DEPTHWISE_H

#include "kg_arithmetic.h"
#include "kg_window.h"

typedef struct {
    KG_WINDOW_MEMBERS;
    int32_t channels;
    int32_t zero_point, output_zero_point;
    const int32_t *multiplier;
    const int8_t *shift;
} kg_depthwise_parameters;

/* y may be x, where they are alike in size. scratch: then uint32 [height][width]; behind it for dsp
   uint32 [2][kernel_height][kernel_width], none up to KG_DEPTHWISE_FEW taps */
#define KG_DEPTHWISE_FEW 9
#define KG_DEPTHWISE(variant)                                                                      \
    void variant(const kg_depthwise_parameters *p, const int8_t *x, const int32_t *bias,           \
                 const int8_t *weight, int8_t *y, uint32_t *scratch)

KG_DEPTHWISE(kg_depthwise_plain);
KG_DEPTHWISE(kg_depthwise_dsp);
KG_DEPTHWISE(kg_depthwise_host);

/* The plain one for the channels from `first` on. plane: uint32 [height][width] where y is x. */
KG_FALLBACK
void kg_depthwise_plain_from(const kg_depthwise_parameters *p, int32_t first, const int8_t *x,
                             const int32_t *bias, const int8_t *weight, int8_t *y, void *plane);

typedef struct {
    KG_WINDOW_MEMBERS;
    int32_t channels;
    const int16_t *channel_mantissa; /* [channels]: weight scales over a common unit */
    int32_t mantissa, exponent;      /* the unit */
    int32_t rng_stream;
} kg_depthwise_input_gradient_parameters;

/* result may be the gradient, where they are alike in size. scratch: then uint32 [height][width];
   behind it for dsp uint32 [2][kernel_height][kernel_width] */
#define KG_DEPTHWISE_INPUT_GRADIENT(variant)                                                       \
    void variant(const kg_depthwise_input_gradient_parameters *p, const kg_control *control,       \
                 const int8_t *gradient, const int32_t *gradient_exponent, const int8_t *weight,   \
                 const int32_t *result_exponent, int8_t *result, uint32_t *magnitude,              \
                 uint32_t *scratch)

KG_DEPTHWISE_INPUT_GRADIENT(kg_depthwise_input_gradient_plain);
KG_DEPTHWISE_INPUT_GRADIENT(kg_depthwise_input_gradient_dsp);
KG_DEPTHWISE_INPUT_GRADIENT(kg_depthwise_input_gradient_host);

/* The plain one for the channels from `first` on; adds to the magnitude. plane: as above. */
KG_FALLBACK
void kg_depthwise_input_gradient_plain_from(const kg_depthwise_input_gradient_parameters *p,
                                            int32_t first, const kg_control *control,
                                            const int8_t *gradient,
                                            const int32_t *gradient_exponent, const int8_t *weight,
                                            const int32_t *result_exponent, int8_t *result,
                                            uint32_t *magnitude, void *plane);

typedef struct {
    KG_WINDOW_MEMBERS;
    int32_t channels;
    int32_t trained;
    const uint16_t *trained_channel;
    int32_t zero_point;
    const int16_t *mantissa; /* [channels]: input scale over weight scale */
    const int8_t *exponent;
    int32_t rng_stream;
} kg_depthwise_weight_update_parameters;

#define KG_DEPTHWISE_WEIGHT_UPDATE(variant)                                                        \
    void variant(const kg_depthwise_weight_update_parameters *p, const kg_control *control,        \
                 int8_t *weight, const int8_t *gradient, const int32_t *gradient_exponent,         \
                 const int8_t *x, const int32_t *loss_exponent)

KG_DEPTHWISE_WEIGHT_UPDATE(kg_depthwise_weight_update_plain);
KG_DEPTHWISE_WEIGHT_UPDATE(kg_depthwise_weight_update_host);

#endif
