/* A map [height][width][channels] with its own positions around it, and the gradient of that. */
#ifndef KG_BORDER_H
#define KG_BORDER_H

#include "kg_arithmetic.h"

/* How a position outside of the map is found inside: mirrored, without and with the first and the
 * last one once more; the nearest one; from the other side. */
#define KG_BORDER_REFLECT 0
#define KG_BORDER_SYMMETRIC 1
#define KG_BORDER_EDGE 2
#define KG_BORDER_WRAP 3

typedef struct {
    int32_t height, width, channels; /* of the map */
    int32_t top, bottom, left, right;
    int32_t kind;
} kg_border_parameters;

/* y: [top + height + bottom][left + width + right][channels] */
void kg_border_plain(const kg_border_parameters *p, const int8_t *x, int8_t *y);

/* Sums are shifted up by so many bits before they are rounded. */
#define KG_BORDER_HEADROOM 14

typedef struct {
    int32_t height, width, channels;
    int32_t top, bottom, left, right;
    int32_t kind;
    int32_t rng_stream;
} kg_border_input_gradient_parameters;

void kg_border_input_gradient_plain(const kg_border_input_gradient_parameters *p,
                                    const kg_control *control, const int8_t *gradient,
                                    const int32_t *gradient_exponent,
                                    const int32_t *result_exponent, int8_t *result,
                                    uint32_t *magnitude);

/* Where a place along a dimension of so many positions is found. */
static inline int32_t kg_border_source(int32_t place, int32_t extent, int32_t kind)
{
    if (place >= 0 && place < extent)
        return place;
    const int32_t last = extent - 1;
    switch (kind) {
    case KG_BORDER_REFLECT: return place < 0 ? -place : 2 * last - place;
    case KG_BORDER_SYMMETRIC: return place < 0 ? -place - 1 : 2 * last + 1 - place;
    case KG_BORDER_EDGE: return place < 0 ? 0 : last;
    default: return place < 0 ? place + extent : place - extent;
    }
}

#endif
