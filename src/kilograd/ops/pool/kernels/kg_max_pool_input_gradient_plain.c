#include "kg_pool.h"

/* Whether the element `at` [row][column] of one channel is the first largest of the window that
   begins at `above` and `before`. */
KG_SMALL
static int is_largest(const kg_max_pool_input_gradient_parameters *p, const int8_t *x, int32_t row,
                      int32_t column, int32_t above, int32_t before)
{
    const int8_t value = x[(row * p->input_width + column) * p->channels];
    const int32_t bottom = kg_last_tap(above, p->window_height, p->input_height);
    const int32_t end = kg_last_tap(before, p->window_width, p->input_width);
    for (int32_t ky = kg_first_tap(above); ky < bottom; ky++)
        for (int32_t kx = kg_first_tap(before); kx < end; kx++) {
            const int32_t y = above + ky, z = before + kx;
            const int is_earlier = y < row || (y == row && z < column);
            if (x[(y * p->input_width + z) * p->channels] + is_earlier > value)
                return 0;
        }
    return 1;
}

KG_SMALL
void kg_max_pool_input_gradient_plain(const kg_max_pool_input_gradient_parameters *p,
                                      const kg_control *control, const int8_t *gradient,
                                      const int32_t *gradient_exponent, const int8_t *x,
                                      const int32_t *result_exponent, int8_t *result,
                                      uint32_t *magnitude)
{
    const int32_t shift = kg_whole_exponent(result_exponent) -
                          kg_whole_exponent(gradient_exponent) + KG_POOL_HEADROOM;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    uint32_t seen = 0, index = 0;
    for (int32_t row = 0; row < p->input_height; row++) {
        const int32_t top = kg_first_window(row + p->top, p->window_height, p->row_stride);
        const int32_t bottom = kg_end_window(row + p->top, p->row_stride, p->output_height);
        for (int32_t column = 0; column < p->input_width; column++) {
            const int32_t place = column + p->left;
            const int32_t first = kg_first_window(place, p->window_width, p->column_stride);
            const int32_t end = kg_end_window(place, p->column_stride, p->output_width);
            for (int32_t c = 0; c < p->channels; c++, index++) {
                int32_t sum = 0;
                for (int32_t y = top; y < bottom; y++)
                    for (int32_t z = first; z < end; z++) {
                        const int32_t above = y * p->row_stride - p->top;
                        const int32_t before = z * p->column_stride - p->left;
                        if (is_largest(p, x + c, row, column, above, before))
                            sum += gradient[(y * p->output_width + z) * p->channels + c];
                    }
                const int64_t product = (int64_t)sum * (1 << KG_POOL_HEADROOM);
                result[index] = kg_gradient_element(product, shift, kg_random(key, index), &seen);
            }
        }
    }
    *magnitude = seen;
}
