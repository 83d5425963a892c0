#include "kg_extremum.h"

void kg_extremum_input_gradient_plain(const kg_extremum_input_gradient_parameters *p,
                                      const int8_t *gradient, const int8_t *larger,
                                      const int8_t *smaller, int8_t *result)
{
    for (int32_t i = 0; i < p->count; i++)
        result[i] = (int8_t)(larger[i] - smaller[i] >= p->lead ? gradient[i] : 0);
}
