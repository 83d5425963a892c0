#include "kg_all_registers.h"

#include "kg_depthwise.h"

#include "kg_plane.h"
#include "kg_round_dsp.h"
#include "kg_taps_dsp.h"

/* What is the same for all channels. */
typedef struct {
    const kg_depthwise_input_gradient_parameters *p;
    int32_t right;    /* as kg_round_product takes it */
    int32_t channels; /* between positions of the gradient */
    uint32_t key;
    uint32_t seen;
} call;

/* The elements at rows first_y, first_y + stride, ... and columns likewise are a correlation of
   the gradient with every stride-th row and column of the weights, in reverse. */
static void one_phase(call *k, const int8_t *gradient, const int8_t *weight,
                      const int16_t *channel_mantissa, int32_t first_y, int32_t first_x,
                      int8_t *result, uint32_t index, uint32_t *packed)
{
    const kg_depthwise_input_gradient_parameters *const p = k->p;
    const int32_t stride = p->stride;
    const int32_t odd_y = (first_y + p->top) % stride, odd_x = (first_x + p->left) % stride;
    const int32_t kernel_height = (p->kernel_height - odd_y + stride - 1) / stride;
    const int32_t kernel_width = (p->kernel_width - odd_x + stride - 1) / stride;
    const kg_taps taps = {
        .width = p->output_width,
        .channels = k->channels,
        .kernel_height = kernel_height,
        .kernel_width = kernel_width,
        .weight_row = -stride * p->kernel_width * p->channels,
        .weight_column = -stride * p->channels,
        .minus_zero = 0,
    };
    weight += ((odd_y + (kernel_height - 1) * stride) * p->kernel_width + odd_x +
               (kernel_width - 1) * stride) *
              p->channels;
    kg_pack_taps(&taps, weight, packed);
    int32_t pairs[2 * KG_TAP_CHANNELS];
    for (int32_t c = 0; c < KG_TAP_CHANNELS; c++)
        pairs[2 * c + 1] = channel_mantissa[c] * p->mantissa;
    uint32_t seen = k->seen;
    const int32_t row_words = 2 * kernel_width;
    const int32_t inside = p->output_width - kernel_width;
    const int32_t left = (first_x + p->left) / stride - (kernel_width - 1);
    int32_t top = (first_y + p->top) / stride - (kernel_height - 1);
    for (int32_t y = first_y; y < p->input_height; y += stride, top++) {
        const int32_t first = kg_first_tap(top);
        const int32_t rows = kg_last_tap(top, kernel_height, p->output_height) - first;
        const uint32_t *const from = packed + first * row_words;
        const int8_t *const at = gradient + (top + first) * p->output_width * k->channels;
        int32_t column = left;
        for (int32_t x = first_x; x < p->input_width; x += stride, column++) {
            int32_t sums[KG_TAP_CHANNELS] = {0, 0, 0, 0};
            const int8_t *const window = at + column * k->channels;
            if (column >= 0 && column <= inside) {
                kg_sum_taps(&taps, window, from, rows, sums);
            } else {
                const int32_t begin = kg_first_tap(column);
                const int32_t end = kg_last_tap(column, kernel_width, p->output_width);
                kg_sum_some_taps(&taps, window + begin * k->channels, from, rows, begin, end, sums);
            }
            const int32_t element = (y * p->input_width + x) * p->channels;
            int8_t *const to = result + element;
            for (int32_t c = 0; c < KG_TAP_CHANNELS; c++)
                pairs[2 * c] = sums[c];
            kg_round_four(pairs, k->right, k->key + (index + (uint32_t)element) * KG_RANDOM_STEP,
                          KG_RANDOM_STEP, &seen);
            for (int32_t c = 0; c < KG_TAP_CHANNELS; c++)
                to[c] = (int8_t)pairs[2 * c];
        }
    }
    k->seen = seen;
}

void kg_depthwise_input_gradient_dsp(const kg_depthwise_input_gradient_parameters *p,
                                     const kg_control *control, const int8_t *gradient,
                                     const int32_t *gradient_exponent, const int8_t *weight,
                                     const int32_t *result_exponent, int8_t *result,
                                     uint32_t *magnitude, uint32_t *scratch)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    const int in_place = gradient == result;
    const int32_t positions = p->output_height * p->output_width;
    int32_t c = 0;
    *magnitude = 0;
    if (shift >= 32 && shift <= 62) {
        call k = {p, shift - 32, in_place ? KG_PLANE_CHANNELS : p->channels,
                  kg_random_key(control, p->rng_stream), 0};
        for (; c + KG_TAP_CHANNELS <= p->channels; c += KG_TAP_CHANNELS) {
            const int8_t *from = gradient + c;
            if (in_place)
                from = kg_copy_plane(from, positions, p->channels, KG_TAP_CHANNELS,
                                     KG_PLANE_CHANNELS, scratch);
            for (int32_t y = 0; y < p->stride && y < p->input_height; y++)
                for (int32_t x = 0; x < p->stride && x < p->input_width; x++)
                    one_phase(&k, from, weight + c, p->channel_mantissa + c, y, x, result + c,
                              (uint32_t)c, in_place ? scratch + positions : scratch);
            KG_YIELD_POINT();
        }
        *magnitude = k.seen;
    }
    if (c < p->channels)
        kg_depthwise_input_gradient_plain_from(p, c, control, gradient, gradient_exponent, weight,
                                               result_exponent, result, magnitude, scratch);
}
