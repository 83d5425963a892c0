#include "kg_all_registers.h"

#include "kg_spaced.h"

#include "kg_requantize_dsp.h"

/* Channels whose activations are one word. */
#define CHANNELS 4

/* sum + the product of the bottom (or top) halves of two pairs */
static inline int32_t multiply_bottom(uint32_t pair, uint32_t other, int32_t sum)
{
    __asm__("smlabb %0, %1, %2, %0" : "+r"(sum) : "r"(pair), "r"(other));
    return sum;
}

static inline int32_t multiply_top(uint32_t pair, uint32_t other, int32_t sum)
{
    __asm__("smlatt %0, %1, %2, %0" : "+r"(sum) : "r"(pair), "r"(other));
    return sum;
}

/* `rows` rows of `count` taps each. From one tap to the next it is `next` bytes in the map and
   `channels` bytes in the weights; from the end of a row to the next, `x_down` and `w_down`. */
static inline void sum_taps(const int8_t *x, const int8_t *weight, int32_t rows, int32_t count,
                            int32_t next, int32_t channels, int32_t x_down, int32_t w_down,
                            uint32_t minus_zero, int32_t sums[CHANNELS])
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (; rows > 0; rows--, x += x_down, weight += w_down)
        for (int32_t tap = count; tap > 0; tap--, x += next, weight += channels) {
            const uint32_t word = kg_load32(x), w = kg_load32(weight);
            const uint32_t even = kg_add_even_bytes(minus_zero, word), w_even = kg_even_bytes(w);
            const uint32_t odd = kg_add_odd_bytes(minus_zero, word), w_odd = kg_odd_bytes(w);
            s0 = multiply_bottom(even, w_even, s0);
            s1 = multiply_bottom(odd, w_odd, s1);
            s2 = multiply_top(even, w_even, s2);
            s3 = multiply_top(odd, w_odd, s3);
        }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* Taps before the first inside the map, and those up to the last inside, of `taps`. */
static inline int32_t taps_before(int32_t from, int32_t dilation)
{
    return from < 0 ? (dilation - 1 - from) / dilation : 0;
}

static inline int32_t taps_up_to(int32_t from, int32_t dilation, int32_t taps, int32_t extent)
{
    const int32_t fit = from < extent ? (extent - 1 - from) / dilation + 1 : 0;
    return fit < taps ? fit : taps;
}

KG_NOINLINE
static void four_channels(const kg_spaced_depthwise_parameters *p, int32_t channel, const int8_t *x,
                          const int32_t *bias, const int8_t *weight, int8_t *y)
{
    kg_requantizer q[CHANNELS];
    for (int32_t c = 0; c < CHANNELS; c++)
        q[c] = kg_prepare_requantizer(p->multiplier[channel + c], p->shift[channel + c],
                                      2 * p->output_zero_point + 1);
    const uint32_t minus_zero = kg_repeat(-p->zero_point);
    const int32_t channels = p->channels, next = p->column_dilation * channels;
    const int32_t down = p->row_dilation * p->input_width * channels;
    const int32_t inside = p->input_width - 1 - (p->kernel_width - 1) * p->column_dilation;
    for (int32_t row = 0; row < p->output_height; row++) {
        const int32_t top = row * p->row_stride - p->top;
        const int32_t begin = taps_before(top, p->row_dilation);
        const int32_t rows =
            taps_up_to(top, p->row_dilation, p->kernel_height, p->input_height) - begin;
        const int8_t *const under = x + (top + begin * p->row_dilation) * p->input_width * channels;
        const int8_t *const first_row = weight + begin * p->kernel_width * channels;
        int32_t left = -p->left;
        for (int32_t column = 0; column < p->output_width; column++, y += channels) {
            int32_t first = 0, count = p->kernel_width;
            if (left < 0 || left > inside) {
                first = taps_before(left, p->column_dilation);
                count = taps_up_to(left, p->column_dilation, count, p->input_width) - first;
            }
            int32_t sums[CHANNELS] = {bias[0], bias[1], bias[2], bias[3]};
            sum_taps(under + left * channels + first * next, first_row + first * channels, rows,
                     count, next, channels, down - count * next,
                     (p->kernel_width - count) * channels, minus_zero, sums);
            left += p->column_stride;
            kg_requantize_four(sums, q, y);
        }
    }
}

void kg_spaced_depthwise_dsp(const kg_spaced_depthwise_parameters *p, const int8_t *x,
                             const int32_t *bias, const int8_t *weight, int8_t *y)
{
    int32_t c = 0;
    for (; c + CHANNELS <= p->channels; c += CHANNELS) {
        four_channels(p, c, x + c, bias + c, weight + c, y + c);
        KG_YIELD_POINT();
    }
    if (c < p->channels)
        kg_spaced_depthwise_plain_from(p, c, x, bias, weight, y);
}
