#include "kg_pool.h"

/* Channels summed at once. */
#define BLOCK 16

/* Of one position in its window's mean, where the window has `count` positions of the map. */
static int32_t share_of(int32_t count)
{
    return ((INT32_C(1) << KG_POOL_SHARE_BITS) + count / 2) / count;
}

/* Positions of the map under a window. */
static int32_t inside(int32_t start, int32_t window, int32_t extent)
{
    return kg_last_tap(start, window, extent) - kg_first_tap(start);
}

KG_SMALL
void kg_windowed_average_pool_input_gradient_plain(
    const kg_windowed_average_pool_input_gradient_parameters *p, const kg_control *control,
    const int8_t *gradient, const int32_t *gradient_exponent, const int32_t *result_exponent,
    int8_t *result, uint32_t *magnitude)
{
    const int32_t shift = kg_whole_exponent(result_exponent) -
                          kg_whole_exponent(gradient_exponent) + KG_POOL_SHARE_BITS;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    uint32_t seen = 0, index = 0;
    for (int32_t row = 0; row < p->input_height; row++) {
        const int32_t top = kg_first_window(row + p->top, p->window_height, p->row_stride);
        const int32_t bottom = kg_end_window(row + p->top, p->row_stride, p->output_height);
        for (int32_t column = 0; column < p->input_width; column++) {
            const int32_t place = column + p->left;
            const int32_t first = kg_first_window(place, p->window_width, p->column_stride);
            const int32_t end = kg_end_window(place, p->column_stride, p->output_width);
            for (int32_t c = 0; c < p->channels; c += BLOCK) {
                const int32_t left = p->channels - c, width = left < BLOCK ? left : BLOCK;
                int32_t sums[BLOCK] = {0};
                for (int32_t y = top; y < bottom; y++)
                    for (int32_t z = first; z < end; z++) {
                        const int32_t above = y * p->row_stride - p->top;
                        const int32_t before = z * p->column_stride - p->left;
                        const int32_t share =
                            share_of(inside(above, p->window_height, p->input_height) *
                                     inside(before, p->window_width, p->input_width));
                        const int8_t *const from =
                            gradient + (y * p->output_width + z) * p->channels + c;
                        for (int32_t b = 0; b < width; b++)
                            sums[b] += from[b] * share;
                    }
                kg_gradient_elements(sums, width, 1, shift, key, index, result + index, &seen);
                index += (uint32_t)width;
            }
        }
    }
    *magnitude = seen;
}
