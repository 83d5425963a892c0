#include "kg_round.h"
#include "kg_rows.h"
#include "pointwise.h"

#if KG_HAS_DSP
/* Gradients of KG_ROWS positions times their channel's weight scale, [outputs / 2][KG_ROWS] pairs;
   zeros for positions and outputs that do not exist. */
static void scale_channels(const kg_pointwise_input_gradient_parameters *p,
                           const int8_t *gradient, int32_t rows, uint32_t *scaled)
{
    const int32_t shift = p->channel_shift, half = (INT32_C(1) << shift) >> 1;
    const int32_t outputs = p->outputs;
    const int16_t *const mantissa = p->channel_mantissa;
    for (int32_t o = 0; o < outputs; o += 2, scaled += KG_ROWS) {
        const int32_t last = o + 1 < outputs;
        const int32_t low = mantissa[o], high = last ? mantissa[o + 1] : 0;
        const int8_t *from = gradient + o;
        for (int32_t r = 0; r < KG_ROWS; r++, from += outputs)
            scaled[r] = r < rows ? kg_pack_bottom((uint32_t)((from[0] * low + half) >> shift),
                                                  (uint32_t)((from[last] * high + half) >> shift))
                                 : 0;
    }
}

#define KG_OUTPUT_PAIR                                                                             \
    "ldrsb %[low], [%[w]]\n"                                                                       \
    "ldrsb %[high], [%[w], %[stride]]\n"                                                           \
    "ldmia %[a]!, {r4, r5, r6, r8}\n"                                                              \
    "add %[w], %[w], %[stride], lsl #1\n"                                                          \
    "pkhbt %[low], %[low], %[high], lsl #16\n"                                                     \
    "smlad %[s0], %[low], r4, %[s0]\n"                                                             \
    "smlad %[s1], %[low], r5, %[s1]\n"                                                             \
    "smlad %[s2], %[low], r6, %[s2]\n"                                                             \
    "smlad %[s3], %[low], r8, %[s3]\n"

/* pairs[r][0] = sum over outputs of scaled[o][r] * column[o * stride] */
static inline void dot_column(const uint32_t *scaled, const int8_t *column, int32_t stride,
                              int32_t outputs, int32_t pairs[2 * KG_ROWS])
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int32_t count = outputs >> 1;
    uint32_t low, high;
    __asm__ volatile("tst %[n], #1\n"
                     "beq 1f\n" KG_OUTPUT_PAIR
                     "1: tst %[n], #2\n"
                     "beq 2f\n" KG_OUTPUT_PAIR KG_OUTPUT_PAIR
                     "2: lsrs %[n], %[n], #2\n"
                     "beq 4f\n"
                     "3:\n" KG_OUTPUT_PAIR KG_OUTPUT_PAIR KG_OUTPUT_PAIR KG_OUTPUT_PAIR
                     "subs %[n], %[n], #1\n"
                     "bne 3b\n"
                     "4:\n"
                     : [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2), [s3] "+&r"(s3),
                       [a] "+&r"(scaled), [w] "+&r"(column), [n] "+&r"(count), [low] "=&r"(low),
                       [high] "=&r"(high)
                     : [stride] "r"(stride)
                     : "r4", "r5", "r6", "r8", "cc", "memory");
    if (outputs & 1) {
        const int32_t w = *column;
        s0 += (int16_t)scaled[0] * w;
        s1 += (int16_t)scaled[1] * w;
        s2 += (int16_t)scaled[2] * w;
        s3 += (int16_t)scaled[3] * w;
    }
    pairs[0] = s0;
    pairs[2] = s1;
    pairs[4] = s2;
    pairs[6] = s3;
}

void kg_pointwise_input_gradient(const kg_pointwise_input_gradient_parameters *p,
                                 const kg_control *control, const int8_t *gradient,
                                 const int32_t *gradient_exponent, const int8_t *weight,
                                 const int8_t *frozen, const int32_t *result_exponent,
                                 int8_t *result, uint32_t *magnitude, uint32_t *scratch)
{
    const int32_t shift = kg_whole_exponent(result_exponent) -
                          kg_whole_exponent(gradient_exponent) - p->exponent;
    if (shift < 16 || shift > 62) {
        kg_pointwise_input_gradient_plain(p, control, gradient, gradient_exponent, weight, frozen,
                                          result_exponent, result, magnitude, scratch);
        return;
    }
    const kg_rounding rounding = kg_prepare_rounding(p->mantissa, shift);
    const uint32_t key = kg_random_key(control, p->stream);
    const int32_t channels = p->channels, trained = p->trained, rest = channels - trained;
    const int32_t outputs = p->outputs;
    const uint16_t *const order = p->order;
    const uint32_t step = (uint32_t)channels * KG_RANDOM_STEP;
    int32_t pairs[2 * KG_ROWS];
    for (int32_t r = 0; r < KG_ROWS; r++)
        pairs[2 * r + 1] = rounding.factor;
    uint32_t seen = 0;
    for (int32_t position = 0; position < p->positions; position += KG_ROWS) {
        const int32_t left = p->positions - position;
        const int32_t rows = left < KG_ROWS ? left : KG_ROWS;
        scale_channels(p, gradient + position * outputs, rows, scratch);
        for (int32_t i = 0; i < channels; i++) {
            if (i < trained)
                dot_column(scratch, weight + i, trained, outputs, pairs);
            else
                dot_column(scratch, frozen + (i - trained), rest, outputs, pairs);
            const int32_t at = position * channels + (order == NULL ? i : order[i]);
            kg_round_four(pairs, rounding.right, key + (uint32_t)at * KG_RANDOM_STEP, step, &seen);
            int8_t *const to = result + at;
            for (int32_t r = 0; r < rows; r++)
                to[r * channels] = (int8_t)pairs[2 * r];
        }
    }
    *magnitude = seen;
}
#endif
