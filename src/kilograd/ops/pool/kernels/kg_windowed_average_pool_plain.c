#include "kg_pool.h"

void kg_windowed_average_pool_plain(const kg_windowed_average_pool_parameters *p, const int8_t *x,
                                    int8_t *y)
{
    for (int32_t row = 0; row < p->output_height; row++) {
        const int32_t above = row * p->row_stride - p->top;
        const int32_t top = kg_first_tap(above);
        const int32_t bottom = kg_last_tap(above, p->window_height, p->input_height);
        for (int32_t column = 0; column < p->output_width; column++, y += p->channels) {
            const int32_t before = column * p->column_stride - p->left;
            const int32_t first = kg_first_tap(before);
            const int32_t end = kg_last_tap(before, p->window_width, p->input_width);
            const int32_t count = (bottom - top) * (end - first), half = count / 2;
            for (int32_t c = 0; c < p->channels; c++) {
                int32_t sum = 0;
                for (int32_t ky = top; ky < bottom; ky++)
                    for (int32_t kx = first; kx < end; kx++) {
                        const int32_t at = (above + ky) * p->input_width + before + kx;
                        sum += x[at * p->channels + c];
                    }
                y[c] = (int8_t)((sum < 0 ? sum - half : sum + half) / count);
            }
        }
    }
}
