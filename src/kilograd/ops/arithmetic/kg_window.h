/* Members that every kernel with a sliding window has; taps outside the map are skipped. */
#ifndef KG_WINDOW_H
#define KG_WINDOW_H

#include <stdint.h>

#define KG_WINDOW_MEMBERS                                                                          \
    int32_t input_height, input_width, output_height, output_width;                                \
    int32_t kernel_height, kernel_width, stride, top, left

/* The taps [first, last) of `kernel` that fall inside [0, extent) when the window starts at
   `start`. */
static inline int32_t kg_first_tap(int32_t start)
{
    return start < 0 ? -start : 0;
}

static inline int32_t kg_last_tap(int32_t start, int32_t kernel, int32_t extent)
{
    return start + kernel > extent ? extent - start : kernel;
}

/* Positions [first, end) of the window, of `count`, at which a tap lies inside [0, extent); the
   tap is `offset` from where the window's stride leads. */
typedef struct {
    int32_t first, end, offset;
} kg_positions;

static inline kg_positions kg_positions_inside(int32_t tap, int32_t padding, int32_t stride,
                                               int32_t extent, int32_t count)
{
    kg_positions inside = {0, count, tap - padding};
    while (inside.first * stride + inside.offset < 0)
        inside.first++;
    while (inside.end > 0 && (inside.end - 1) * stride + inside.offset >= extent)
        inside.end--;
    return inside;
}

/* What a tap reads, for each position of the window at which it lies inside the map. */
typedef struct {
    kg_positions rows, columns;
} kg_tap_positions;

#define KG_TAP_POSITIONS(p, ky, kx)                                                                \
    {                                                                                              \
        kg_positions_inside(ky, (p)->top, (p)->stride, (p)->input_height, (p)->output_height),     \
        kg_positions_inside(kx, (p)->left, (p)->stride, (p)->input_width, (p)->output_width),      \
    }

/* Defines `correlate`: the sum over positions of gradient * (x - zero point) at one tap, for one
   channel of each; `outputs` is the member that counts the gradient's channels. */
#define KG_TAP_CORRELATION(parameters, outputs)                                                    \
    static int32_t correlate(const parameters *p, const kg_tap_positions *tap,                     \
                             const int8_t *gradient, const int8_t *x)                              \
    {                                                                                              \
        const kg_positions rows = tap->rows, columns = tap->columns;                               \
        int32_t sum = 0;                                                                           \
        for (int32_t row = rows.first; row < rows.end; row++)                                      \
            for (int32_t column = columns.first; column < columns.end; column++) {                 \
                const int32_t y = row * p->stride + rows.offset;                                   \
                const int32_t at = y * p->input_width + column * p->stride + columns.offset;       \
                const int8_t *const g = gradient + (row * p->output_width + column) * p->outputs;  \
                sum += g[0] * (x[at * p->channels] - p->zero_point);                               \
            }                                                                                      \
        return sum;                                                                                \
    }

#endif
