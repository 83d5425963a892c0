/* Each position of a map [height][width][channels] several times, and the gradient of that. */
#ifndef KG_UPSAMPLE_H
#define KG_UPSAMPLE_H

#include "kg_arithmetic.h"

typedef struct {
    int32_t height, width, channels; /* of the map with each position once */
    int32_t rows, columns;           /* that each row and each column becomes */
} kg_upsample_parameters;

void kg_upsample_plain(const kg_upsample_parameters *p, const int8_t *x, int8_t *y);

typedef struct {
    int32_t height, width, channels; /* of the map without zeros */
    int32_t rows, columns;           /* from a position to the next */
    int32_t zero_point;
} kg_insert_zeros_parameters;

/* y: [height * rows][width * columns][channels] */
void kg_insert_zeros_plain(const kg_insert_zeros_parameters *p, const int8_t *x, int8_t *y);

typedef kg_upsample_parameters kg_pick_positions_parameters;

/* x: [height * rows][width * columns][channels] */
void kg_pick_positions_plain(const kg_pick_positions_parameters *p, const int8_t *x, int8_t *y);

/* Sums are shifted up by so many bits before they are rounded. */
#define KG_UPSAMPLE_HEADROOM 14

typedef struct {
    int32_t height, width, channels;
    int32_t rows, columns;
    int32_t rng_stream;
} kg_upsample_input_gradient_parameters;

void kg_upsample_input_gradient_plain(const kg_upsample_input_gradient_parameters *p,
                                      const kg_control *control, const int8_t *gradient,
                                      const int32_t *gradient_exponent,
                                      const int32_t *result_exponent, int8_t *result,
                                      uint32_t *magnitude);

#endif
