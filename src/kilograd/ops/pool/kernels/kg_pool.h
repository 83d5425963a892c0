/* Pooling over a whole map [height][width][channels] or under windows, and its gradients. */
#ifndef KG_POOL_H
#define KG_POOL_H

#include "kg_arithmetic.h"
#include "kg_window.h"

typedef struct {
    int32_t positions, channels;
} kg_average_pool_parameters;

void kg_average_pool_plain(const kg_average_pool_parameters *p, const int8_t *x, int8_t *y);

typedef struct {
    int32_t positions, channels;
    int32_t mantissa, exponent; /* 1 / positions */
    int32_t rng_stream;
} kg_average_pool_input_gradient_parameters;

#define KG_AVERAGE_POOL_INPUT_GRADIENT(variant)                                                    \
    void variant(const kg_average_pool_input_gradient_parameters *p, const kg_control *control,    \
                 const int8_t *gradient, const int32_t *gradient_exponent,                         \
                 const int32_t *result_exponent, int8_t *result, uint32_t *magnitude)

KG_AVERAGE_POOL_INPUT_GRADIENT(kg_average_pool_input_gradient_plain);
KG_AVERAGE_POOL_INPUT_GRADIENT(kg_average_pool_input_gradient_dsp);

/* A map as blocks of positions of elements: [blocks][positions][channels]; means are over the
   positions. */
typedef struct {
    int32_t blocks, positions, channels;
    int32_t zero_point;
    int32_t multiplier, shift; /* of input scale / (output scale * positions) */
    int32_t output_zero_point;
} kg_mean_parameters;

void kg_mean_plain(const kg_mean_parameters *p, const int8_t *x, int8_t *y);

typedef struct {
    int32_t blocks, positions, channels;
    int32_t mantissa, exponent; /* 1 / positions */
    int32_t rng_stream;
} kg_mean_input_gradient_parameters;

void kg_mean_input_gradient_plain(const kg_mean_input_gradient_parameters *p,
                                  const kg_control *control, const int8_t *gradient,
                                  const int32_t *gradient_exponent, const int32_t *result_exponent,
                                  int8_t *result, uint32_t *magnitude);

/* Windows over a map; positions outside of it do not count. */
#define KG_POOL_MEMBERS                                                                            \
    int32_t input_height, input_width, output_height, output_width;                                \
    int32_t window_height, window_width, row_stride, column_stride, top, left, channels

typedef struct {
    KG_POOL_MEMBERS;
} kg_max_pool_parameters;

void kg_max_pool_plain(const kg_max_pool_parameters *p, const int8_t *x, int8_t *y);

typedef struct {
    KG_POOL_MEMBERS;
} kg_windowed_average_pool_parameters;

void kg_windowed_average_pool_plain(const kg_windowed_average_pool_parameters *p, const int8_t *x,
                                    int8_t *y);

typedef struct {
    KG_POOL_MEMBERS;
    int32_t rng_stream;
} kg_max_pool_input_gradient_parameters;

/* Sums are shifted up by so many bits before they are rounded. */
#define KG_POOL_HEADROOM 14

/* x: the pool's input; the first largest of a window, in row-major order, has its gradient */
void kg_max_pool_input_gradient_plain(const kg_max_pool_input_gradient_parameters *p,
                                      const kg_control *control, const int8_t *gradient,
                                      const int32_t *gradient_exponent, const int8_t *x,
                                      const int32_t *result_exponent, int8_t *result,
                                      uint32_t *magnitude);

/* A position's share in the mean of its window is a multiple of 2^-16. */
#define KG_POOL_SHARE_BITS 16

typedef struct {
    KG_POOL_MEMBERS;
    int32_t rng_stream;
} kg_windowed_average_pool_input_gradient_parameters;

void kg_windowed_average_pool_input_gradient_plain(
    const kg_windowed_average_pool_input_gradient_parameters *p, const kg_control *control,
    const int8_t *gradient, const int32_t *gradient_exponent, const int32_t *result_exponent,
    int8_t *result, uint32_t *magnitude);

/* Windows [first, end) of `count` that lie over a position; `place` counts from the padding's
   beginning. */
static inline int32_t kg_first_window(int32_t place, int32_t extent, int32_t stride)
{
    return place < extent ? 0 : (place - extent) / stride + 1;
}

static inline int32_t kg_end_window(int32_t place, int32_t stride, int32_t count)
{
    const int32_t end = place / stride + 1;
    return end < count ? end : count;
}

#endif
