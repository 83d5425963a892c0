/* Sixteen numbers at a time, for a PC whose compiler has vectors: the results of the plain C,
   sooner. `width` is how many of the sixteen there are; the others are not stored. */
#ifndef KG_LANES_HOST_H
#define KG_LANES_HOST_H

#include "kg_arithmetic.h"

#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define KG_LANES 16
/* Most numbers that a dot product of lanes is made of, and panels on the stack. */
#define KG_LANES_DEPTH 4096
#define KG_PANELS (KG_LANES_DEPTH / 2)
/* Most positions of a map that is copied to the stack, sixteen channels at a time. */
#define KG_LANE_PLANE 4096
#define KG_LANE_FUNCTION static inline __attribute__((always_inline))

typedef int8_t kg_byte_lanes __attribute__((vector_size(KG_LANES)));
typedef int16_t kg_short_lanes __attribute__((vector_size(2 * KG_LANES)));
typedef int32_t kg_lanes __attribute__((vector_size(4 * KG_LANES)));
typedef uint32_t kg_unsigned_lanes __attribute__((vector_size(4 * KG_LANES)));
typedef int64_t kg_long_lanes __attribute__((vector_size(8 * KG_LANES)));

/* Room for sixteen int32, or for sixteen pairs of int16: the first of a pair is the lower half. */
typedef union {
    kg_lanes lanes;
    int32_t each[KG_LANES];
} kg_panel;

static inline int32_t kg_lane_width(int32_t count)
{
    return count < KG_LANES ? count : KG_LANES;
}

/* All lanes the same. */
KG_LANE_FUNCTION kg_lanes kg_lanes_of(int32_t value)
{
    return (kg_lanes){0} + value;
}

KG_LANE_FUNCTION kg_byte_lanes kg_load_byte_lanes(const int8_t *from, int32_t width)
{
    kg_byte_lanes bytes = {0};
    if (width == KG_LANES)
        memcpy(&bytes, from, KG_LANES);
    else
        memcpy(&bytes, from, (size_t)width);
    return bytes;
}

KG_LANE_FUNCTION kg_lanes kg_load_lanes(const int8_t *from, int32_t width)
{
    return __builtin_convertvector(kg_load_byte_lanes(from, width), kg_lanes);
}

KG_LANE_FUNCTION kg_lanes kg_load_long_lanes(const int32_t *from, int32_t width)
{
    kg_lanes lanes = {0};
    memcpy(&lanes, from, (size_t)width * sizeof *from);
    return lanes;
}

KG_LANE_FUNCTION kg_lanes kg_load_short_lanes(const int16_t *from, int32_t width)
{
    kg_short_lanes lanes = {0};
    memcpy(&lanes, from, (size_t)width * sizeof *from);
    return __builtin_convertvector(lanes, kg_lanes);
}

KG_LANE_FUNCTION void kg_store_lanes(kg_lanes lanes, int8_t *to, int32_t width)
{
    const kg_byte_lanes bytes = __builtin_convertvector(lanes, kg_byte_lanes);
    if (width == KG_LANES)
        memcpy(to, &bytes, KG_LANES);
    else
        memcpy(to, &bytes, (size_t)width);
}

/* The lanes of a where the mask is all ones, those of b where it is zero. */
KG_LANE_FUNCTION kg_lanes kg_select_lanes(kg_lanes mask, kg_lanes a, kg_lanes b)
{
    return (a & mask) | (b & ~mask);
}

KG_LANE_FUNCTION kg_lanes kg_clamp_lanes(kg_lanes value, int32_t low, int32_t high)
{
    const kg_lanes least = kg_lanes_of(low), most = kg_lanes_of(high);
    value = kg_select_lanes(value < least, least, value);
    return kg_select_lanes(value > most, most, value);
}

/* The upper halves of value * factor + 2^right * noise. */
KG_LANE_FUNCTION kg_lanes kg_high_lanes(kg_lanes value, kg_lanes factor, kg_unsigned_lanes noise,
                                        int32_t right)
{
    const kg_long_lanes product = __builtin_convertvector(value, kg_long_lanes) *
                                  __builtin_convertvector(factor, kg_long_lanes);
    const kg_long_lanes sum = product + (__builtin_convertvector(noise, kg_long_lanes) << right);
    return __builtin_convertvector(sum >> 32, kg_lanes);
}

/* kg_random of first, first + 1, … */
KG_LANE_FUNCTION kg_unsigned_lanes kg_random_lanes(uint32_t key, uint32_t first)
{
    const kg_unsigned_lanes index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    kg_unsigned_lanes value = (index + first) * KG_RANDOM_STEP + key;
    value = (value ^ (value >> 16)) * KG_MIX_FIRST;
    value = (value ^ (value >> 15)) * KG_MIX_SECOND;
    return value ^ (value >> 16);
}

/* Whether kg_requantize_lanes serves these channels, and kg_gradient_lanes this shift. */
static inline int kg_shifts_suit_lanes(const int8_t *shift, int32_t count)
{
    int32_t suit = 1;
    for (int32_t c = 0; c < count; c++)
        suit &= shift[c] <= 0 && shift[c] > -31;
    return suit;
}

static inline int kg_shift_suits_lanes(int32_t shift)
{
    return shift >= 0 && shift <= 62;
}

/* What sixteen channels need to be requantized. */
typedef struct {
    kg_lanes multiplier, right, half, negative;
} kg_lane_requantizer;

KG_LANE_FUNCTION kg_lane_requantizer kg_load_requantizer(const int32_t *multiplier,
                                                         const int8_t *shift, int32_t width)
{
    kg_lane_requantizer q;
    q.multiplier = kg_load_long_lanes(multiplier, width);
    q.right = -kg_load_lanes(shift, width);
    q.half = (kg_lanes_of(1) << q.right) >> 1;
    q.negative = q.right != 0;
    return q;
}

/* kg_requantize of each. */
KG_LANE_FUNCTION kg_lanes kg_requantize_lanes(kg_lanes sums, const kg_lane_requantizer *q,
                                              int32_t zero_point)
{
    const kg_long_lanes product = __builtin_convertvector(sums, kg_long_lanes) *
                                  __builtin_convertvector(q->multiplier, kg_long_lanes);
    const kg_lanes high = __builtin_convertvector((product + (INT32_C(1) << 30)) >> 31, kg_lanes);
    const kg_lanes rounded = (high + ((high >> 31) & q->negative) + q->half) >> q->right;
    return kg_clamp_lanes(rounded + zero_point, -128, 127);
}

/* kg_stochastic_round16 of value * factor / 2^shift; 0 <= shift <= 62. */
KG_LANE_FUNCTION kg_lanes kg_round_lanes(kg_lanes value, kg_lanes factor, int32_t shift,
                                         kg_unsigned_lanes noise)
{
    if (shift >= 32) {
        const kg_lanes high = kg_high_lanes(value, factor, noise, shift - 32);
        return kg_clamp_lanes(high >> (shift - 32), -32767, 32767);
    }
    const kg_long_lanes product = __builtin_convertvector(value, kg_long_lanes) *
                                  __builtin_convertvector(factor, kg_long_lanes);
    const kg_long_lanes most = (kg_long_lanes){0} + 32767;
    kg_long_lanes sum = __builtin_convertvector(noise, kg_long_lanes) >> (32 - shift);
    sum = (sum + product) >> shift;
    kg_long_lanes beyond = sum > most;
    sum = (most & beyond) | (sum & ~beyond);
    beyond = sum < -most;
    sum = (-most & beyond) | (sum & ~beyond);
    return __builtin_convertvector(sum, kg_lanes);
}

/* kg_gradient_element of each, at indices first, first + 1, …; 0 <= shift <= 62. */
KG_LANE_FUNCTION kg_lanes kg_gradient_lanes(kg_lanes sums, kg_lanes factor, int32_t shift,
                                            uint32_t key, uint32_t first, kg_lanes *magnitude)
{
    const kg_lanes rounded = kg_round_lanes(sums, factor, shift, kg_random_lanes(key, first));
    const kg_lanes sign = rounded >> 31;
    *magnitude |= (rounded ^ sign) - sign;
    return kg_clamp_lanes(rounded, -127, 127);
}

/* The magnitude's bits of all lanes. */
static inline uint32_t kg_joined_lanes(kg_lanes magnitude)
{
    uint32_t bits = 0;
    for (int32_t i = 0; i < KG_LANES; i++)
        bits |= (uint32_t)magnitude[i];
    return bits;
}

/* kg_step and kg_stepped_weight of weights whose gradients, all of one scale, are the sums. */
KG_LANE_FUNCTION void kg_step_lanes(const kg_control *control, kg_lanes sums,
                                    int32_t scale_mantissa, int32_t scale_exponent, uint32_t key,
                                    uint32_t first, int8_t *weight, int32_t width)
{
    const int32_t shift = -(scale_exponent + control->rate_exponent);
    if (shift < 32 || shift > 62) {
        for (int32_t i = 0; i < width; i++)
            weight[i] = kg_stepped_weight(weight[i],
                                          kg_step(control, sums[i], scale_mantissa, scale_exponent,
                                                  kg_random(key, first + (uint32_t)i)));
        return;
    }
    const kg_lanes scale = kg_lanes_of(scale_mantissa * control->rate_mantissa);
    const int32_t right = shift - 32;
    const kg_lanes high = kg_high_lanes(sums, scale, kg_random_lanes(key, first), right);
    const kg_lanes stepped = kg_load_lanes(weight, width) - (high >> right);
    const kg_lanes cut = kg_clamp_lanes(stepped, -127, 127);
    const kg_lanes differ = cut != stepped;
    for (int32_t i = 0; i < width; i++)
        kg_counted.weights_saturated -= (uint32_t)differ[i];
    kg_store_lanes(cut, weight, width);
}

/* sums += first * low half of each pair + second * its upper half. */
KG_LANE_FUNCTION kg_lanes kg_add_pairs(kg_lanes sums, const kg_panel *pairs, int32_t pair)
{
#if defined(__AVX512VNNI__)
    return (kg_lanes)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)pairs->lanes,
                                         _mm512_set1_epi32(pair));
#elif defined(__AVX2__)
    const __m256i both = _mm256_set1_epi32(pair);
    __m256i half[2], sum[2];
    memcpy(half, pairs, sizeof half);
    memcpy(sum, &sums, sizeof sum);
    for (int i = 0; i < 2; i++)
        sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(half[i], both));
    memcpy(&sums, sum, sizeof sum);
    return sums;
#else
    const kg_lanes low = (kg_lanes)((kg_unsigned_lanes)pairs->lanes << 16) >> 16;
    return sums + low * (int16_t)pair + (pairs->lanes >> 16) * (pair >> 16);
#endif
}

KG_LANE_FUNCTION kg_lanes kg_join_pairs(kg_lanes first, kg_lanes second)
{
    return (first & 0xffff) | (kg_lanes)((kg_unsigned_lanes)second << 16);
}

/* Pairs of rows, `stride` apart and each less the zero point, side by side. Lanes that are not
   there are zero only where the zero point is. */
static inline void kg_pack_rows(const int8_t *from, int32_t stride, int32_t count,
                                int32_t zero_point, int32_t width, kg_panel *to)
{
    const kg_lanes zeros = kg_lanes_of(zero_point);
    for (int32_t i = 0; i < count; i += 2, from += 2 * stride, to++) {
        const kg_lanes first = kg_load_lanes(from, width) - zeros;
        const kg_lanes second =
            i + 1 < count ? kg_load_lanes(from + stride, width) - zeros : kg_lanes_of(0);
        to->lanes = kg_join_pairs(first, second);
    }
}

/* to[i] = x[i] - zero_point, ended by a zero where `count` is odd: pairs in memory. `to` has room
   for whole lanes. */
static inline void kg_expand_pairs(const int8_t *x, int32_t count, int32_t zero_point, int16_t *to)
{
    for (int32_t i = 0; i < count; i += KG_LANES) {
        const kg_byte_lanes bytes = kg_load_byte_lanes(x + i, kg_lane_width(count - i));
        const kg_short_lanes shorts =
            __builtin_convertvector(bytes, kg_short_lanes) - (int16_t)zero_point;
        memcpy(to + i, &shorts, sizeof shorts);
    }
    if (count & 1)
        to[count] = 0;
}

#define KG_LANE_ROWS 4

/* Rows of int16, each of whole pairs, with room for whole lanes behind them. */
typedef union {
    int16_t shorts[KG_LANE_ROWS][KG_LANES_DEPTH + KG_LANES];
    int32_t pairs[KG_LANE_ROWS][(KG_LANES_DEPTH + KG_LANES) / 2];
} kg_pair_rows;

/* Numbers, in lanes, for whose panels of `count` pairs there is room, at least sixteen. */
static inline int32_t kg_lanes_at_once(int32_t count)
{
    return KG_PANELS / count * KG_LANES;
}

/* sums[r] += over i of pairs (r, i) * panel i, pair (r, i) being a[r * row + i * next]. */
static inline void kg_multiply_pairs(const int32_t *a, int32_t row, int32_t next,
                                     const kg_panel *panel, int32_t count,
                                     kg_lanes sums[KG_LANE_ROWS])
{
    kg_lanes s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (int32_t i = 0; i < count; i++, panel++, a += next) {
        s0 = kg_add_pairs(s0, panel, a[0]);
        s1 = kg_add_pairs(s1, panel, a[row]);
        s2 = kg_add_pairs(s2, panel, a[2 * row]);
        s3 = kg_add_pairs(s3, panel, a[3 * row]);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

#endif
