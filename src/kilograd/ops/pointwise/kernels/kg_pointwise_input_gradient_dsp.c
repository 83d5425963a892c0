#include "kg_all_registers.h"

#include "kg_effective.h"
#include "kg_round_dsp.h"
#include "kg_gemm4_dsp.h"
#include "kg_pointwise.h"

/* Gradients of KG_ROWS positions times their channel's weight scale, [outputs / 2][KG_ROWS] pairs;
   zeros for positions and outputs that do not exist. */
static void scale_channels(const kg_pointwise_input_gradient_parameters *p, const int8_t *gradient,
                           int32_t rows, uint32_t *scaled)
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
    "ldrsb r8, [%[w], %[stride]]\n"                                                                \
    "add %[w], %[w], %[stride], lsl #1\n"                                                          \
    "pkhbt %[low], %[low], r8, lsl #16\n"                                                          \
    "ldmia %[a]!, {r4, r5, r6, r8}\n"                                                              \
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
    uint32_t low;
    /* One register is left for a frame pointer. */
    /* clang-format off */
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
                       [a] "+&r"(scaled), [w] "+&r"(column), [n] "+&r"(count), [low] "=&r"(low)
                     : [stride] "r"(stride)
                     : "r4", "r5", "r6", "r8", "cc", "memory");
    /* clang-format on */
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

/* Columns of the weights that lie next to each other, of channels first, first + 1, … */
typedef struct {
    const int8_t *weight;
    int32_t first, count;
} columns;

/* What all of a call's columns share. */
typedef struct {
    kg_rounding rounding;
    uint32_t key, seen;
} running;

/* Results of one or two parts of the channels. */
static void spread(const kg_pointwise_input_gradient_parameters *p, const columns parts[2],
                   const int8_t *gradient, int8_t *result, uint32_t *scaled, running *state)
{
    const int32_t channels = p->channels, outputs = p->outputs;
    const uint16_t *const order = p->order;
    const uint32_t step = (uint32_t)channels * KG_RANDOM_STEP;
    int32_t pairs[2 * KG_ROWS];
    for (int32_t r = 0; r < KG_ROWS; r++)
        pairs[2 * r + 1] = state->rounding.factor;
    for (int32_t position = 0; position < p->positions; position += KG_ROWS) {
        const int32_t left = p->positions - position;
        const int32_t rows = left < KG_ROWS ? left : KG_ROWS;
        scale_channels(p, gradient + position * outputs, rows, scaled);
        for (const columns *part = parts; part != parts + 2; part++)
            for (int32_t i = 0; i < part->count; i++) {
                const int32_t c = part->first + i;
                dot_column(scaled, part->weight + i, part->count, outputs, pairs);
                const int32_t at = position * channels + (order == NULL ? c : order[c]);
                kg_round_four(pairs, state->rounding.right,
                              state->key + (uint32_t)at * KG_RANDOM_STEP, step, &state->seen);
                int8_t *const to = result + at;
                for (int32_t r = 0; r < rows; r++)
                    to[r * channels] = (int8_t)pairs[2 * r];
            }
        KG_YIELD_POINT();
    }
}

void kg_pointwise_input_gradient_dsp(const kg_pointwise_input_gradient_parameters *p,
                                     const kg_control *control, const int8_t *gradient,
                                     const int32_t *gradient_exponent, const int8_t *weight,
                                     const int8_t *frozen, const int8_t *delta,
                                     const int32_t *result_exponent, int8_t *result,
                                     uint32_t *magnitude, uint32_t *scratch)
{
    const int32_t shift =
        kg_whole_exponent(result_exponent) - kg_whole_exponent(gradient_exponent) - p->exponent;
    if (shift < 16 || shift > 62) {
        kg_pointwise_input_gradient_plain(p, control, gradient, gradient_exponent, weight, frozen,
                                          delta, result_exponent, result, magnitude, scratch);
        return;
    }
    running state = {kg_prepare_rounding(p->mantissa, shift), kg_random_key(control, p->rng_stream),
                     0};
    const int32_t trained = p->trained;
    columns parts[2] = {{weight, 0, trained}, {frozen, trained, p->channels - trained}};
    int8_t *const effective = (int8_t *)scratch + p->effective_offset;
    if (delta == NULL)
        spread(p, parts, gradient, result, scratch, &state);
    for (int32_t first = 0; delta != NULL && first < trained; first += p->slice) {
        const int32_t count = trained - first < p->slice ? trained - first : p->slice;
        for (int32_t o = 0; o < p->outputs; o++)
            kg_effective_weights(weight + o * trained + first, delta + o * trained + first, count,
                                 p->fraction_bits, effective + o * count);
        parts[0] = (columns){effective, first, count};
        spread(p, parts, gradient, result, scratch, &state);
        parts[1].count = 0;
    }
    *magnitude = state.seen;
}
