#include "kg_pool.h"

#include <string.h>

void kg_max_pool_plain(const kg_max_pool_parameters *p, const int8_t *x, int8_t *y)
{
    const int32_t channels = p->channels;
    for (int32_t row = 0; row < p->output_height; row++) {
        const int32_t above = row * p->row_stride - p->top;
        const int32_t bottom = kg_last_tap(above, p->window_height, p->input_height);
        for (int32_t column = 0; column < p->output_width; column++, y += channels) {
            const int32_t before = column * p->column_stride - p->left;
            const int32_t end = kg_last_tap(before, p->window_width, p->input_width);
            memset(y, -128, (size_t)channels);
            for (int32_t ky = kg_first_tap(above); ky < bottom; ky++)
                for (int32_t kx = kg_first_tap(before); kx < end; kx++) {
                    const int32_t at = (above + ky) * p->input_width + before + kx;
                    const int8_t *const from = x + at * channels;
                    for (int32_t c = 0; c < channels; c++)
                        y[c] = from[c] > y[c] ? from[c] : y[c];
                }
        }
    }
}
