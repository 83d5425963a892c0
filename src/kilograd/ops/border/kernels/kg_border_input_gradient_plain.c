#include "kg_border.h"

/* Channels summed at once. */
#define BLOCK 16

/* The next place where a position may be: each one of the border, and once its own. */
static int32_t next_place(int32_t place, int32_t own, int32_t extent)
{
    return place == own ? extent : place == -1 ? own : place + 1;
}

static int32_t first_place(int32_t before, int32_t own)
{
    return before > 0 ? -before : own;
}

KG_SMALL
void kg_border_input_gradient_plain(const kg_border_input_gradient_parameters *p,
                                    const kg_control *control, const int8_t *gradient,
                                    const int32_t *gradient_exponent,
                                    const int32_t *result_exponent, int8_t *result,
                                    uint32_t *magnitude)
{
    const int32_t shift = kg_whole_exponent(result_exponent) -
                          kg_whole_exponent(gradient_exponent) + KG_BORDER_HEADROOM;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t row_bytes = (p->left + p->width + p->right) * p->channels;
    const int32_t rows = p->height + p->bottom, columns = p->width + p->right;
    uint32_t seen = 0, index = 0;
    for (int32_t row = 0; row < p->height; row++)
        for (int32_t column = 0; column < p->width; column++)
            for (int32_t c = 0; c < p->channels; c += BLOCK) {
                const int32_t left = p->channels - c, width = left < BLOCK ? left : BLOCK;
                int32_t sums[BLOCK] = {0};
                for (int32_t i = first_place(p->top, row); i < rows;
                     i = next_place(i, row, p->height)) {
                    if (kg_border_source(i, p->height, p->kind) != row)
                        continue;
                    const int8_t *const from = gradient + (i + p->top) * row_bytes + c;
                    for (int32_t j = first_place(p->left, column); j < columns;
                         j = next_place(j, column, p->width)) {
                        if (kg_border_source(j, p->width, p->kind) != column)
                            continue;
                        for (int32_t b = 0; b < width; b++)
                            sums[b] += from[(j + p->left) * p->channels + b];
                    }
                }
                kg_gradient_elements(sums, width, 1 << KG_BORDER_HEADROOM, shift, key, index,
                                     result + index, &seen);
                index += (uint32_t)width;
            }
    *magnitude = seen;
}
