/* Which positions of a map the taps of a window read whose taps lie a dilation apart, and which
   moves by a stride down and another across; taps outside the map are skipped. */
#ifndef KG_SPACED_WINDOW_H
#define KG_SPACED_WINDOW_H

#include <stdint.h>

/* What tap `tap` reads at position `at` of the window, along one direction: beyond [0, extent) it
   lies outside the map. */
static inline int32_t kg_under(int32_t at, int32_t stride, int32_t tap, int32_t dilation,
                               int32_t padding)
{
    return at * stride + tap * dilation - padding;
}

static inline int kg_is_inside(int32_t at, int32_t extent)
{
    return at >= 0 && at < extent;
}

/* The position of the window at which tap `tap` reads `from`; -1 if there is none of `count`. */
static inline int32_t kg_reader(int32_t from, int32_t padding, int32_t tap, int32_t dilation,
                                int32_t stride, int32_t count)
{
    const int32_t moved = from + padding - tap * dilation;
    if (moved < 0 || moved % stride != 0 || moved / stride >= count)
        return -1;
    return moved / stride;
}

/* Defines `correlate`: the sum over positions of gradient * (x - zero point) at one tap, for one
   channel of each; `outputs` is the member that counts the gradient's channels. */
#define KG_SPACED_CORRELATION(parameters, outputs)                                                 \
    static int32_t correlate(const parameters *p, int32_t ky, int32_t kx, const int8_t *gradient,  \
                             const int8_t *x)                                                      \
    {                                                                                              \
        int32_t sum = 0;                                                                           \
        for (int32_t row = 0; row < p->output_height; row++) {                                     \
            const int32_t iy = kg_under(row, p->row_stride, ky, p->row_dilation, p->top);          \
            if (!kg_is_inside(iy, p->input_height))                                                \
                continue;                                                                          \
            for (int32_t column = 0; column < p->output_width; column++) {                         \
                const int32_t ix =                                                                 \
                    kg_under(column, p->column_stride, kx, p->column_dilation, p->left);           \
                if (!kg_is_inside(ix, p->input_width))                                             \
                    continue;                                                                      \
                const int8_t *const g = gradient + (row * p->output_width + column) * p->outputs;  \
                sum += g[0] * (x[(iy * p->input_width + ix) * p->channels] - p->zero_point);       \
            }                                                                                      \
        }                                                                                          \
        return sum;                                                                                \
    }

#endif
