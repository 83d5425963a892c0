/* The larger or the smaller of each two elements, and the gradient of that. */
#ifndef KG_EXTREMUM_H
#define KG_EXTREMUM_H

#include <stdint.h>

typedef struct {
    int32_t count;
} kg_maximum_parameters;

typedef kg_maximum_parameters kg_minimum_parameters;

/* `y` may be `a` or `b`. */
void kg_maximum_plain(const kg_maximum_parameters *p, const int8_t *a, const int8_t *b, int8_t *y);
void kg_minimum_plain(const kg_minimum_parameters *p, const int8_t *a, const int8_t *b, int8_t *y);

typedef struct {
    int32_t count;
    int32_t lead; /* of the larger element, so that the gradient passes */
} kg_extremum_input_gradient_parameters;

/* `result` may be `gradient`. */
void kg_extremum_input_gradient_plain(const kg_extremum_input_gradient_parameters *p,
                                      const int8_t *gradient, const int8_t *larger,
                                      const int8_t *smaller, int8_t *result);

#endif
