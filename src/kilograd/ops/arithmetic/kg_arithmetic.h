/* Integer arithmetic shared by every kernel. Normative text: docs/numerics.md. */
#ifndef KG_ARITHMETIC_H
#define KG_ARITHMETIC_H

#include <stddef.h>
#include <stdint.h>

#include "kg_counters.h"
#include "kg_machine.h"
#include "kg_yield.h"

#define KG_ACCUMULATOR_LIMIT ((INT32_C(1) << 30) - 1)

/* What is known only while a step runs; rate = rate_mantissa * 2^rate_exponent. */
typedef struct {
    uint32_t seed;
    uint32_t step;
    int32_t label;
    int32_t classes; /* that may be predicted and learned now; other logits count for nothing */
    int32_t rate_mantissa;
    int32_t rate_exponent;
} kg_control;

/* The kernels count here. */
extern kg_counters kg_counted;

static inline int32_t kg_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static inline int8_t kg_saturate_int8(int32_t value)
{
    return (int8_t)kg_clamp(value, -128, 127);
}

/* TensorFlow Lite's MultiplyByQuantizedMultiplier; a left shift saturates at the limit. */
static inline int32_t kg_multiply_by_quantized_multiplier(int32_t value, int32_t multiplier,
                                                          int32_t shift)
{
    if (shift > 0) {
        const int32_t limit = KG_ACCUMULATOR_LIMIT >> shift;
        value = kg_clamp(value, -limit, limit) * (INT32_C(1) << shift);
        return kg_doubling_high_multiply(value, multiplier);
    }
    const int32_t high = kg_doubling_high_multiply(value, multiplier);
    const int32_t half = (int32_t)((UINT32_C(1) << -shift) >> 1);
    return shift == 0 ? high : (high + (high >> 31) + half) >> -shift;
}

static inline int8_t kg_requantize(int32_t accumulator, int32_t multiplier, int32_t shift,
                                   int32_t zero_point)
{
    return kg_saturate_int8(kg_multiply_by_quantized_multiplier(accumulator, multiplier, shift) +
                            zero_point);
}

/* floor(part * 2^bits / whole); part < 2 * whole, whole < 2^63. A division of 64 bits would bring
   a library function that is larger than some kernels. */
static inline uint32_t kg_share(uint64_t part, uint64_t whole, int32_t bits)
{
    uint32_t share = 0;
    for (; bits >= 0; bits--, part <<= 1) {
        share <<= 1;
        if (part >= whole) {
            part -= whole;
            share |= 1;
        }
    }
    return share;
}

#define KG_MIX_FIRST UINT32_C(0x7feb352d)
#define KG_MIX_SECOND UINT32_C(0x846ca68b)
#define KG_RANDOM_STEP UINT32_C(0x9e3779b9)

static inline uint32_t kg_mix(uint32_t value)
{
    value ^= value >> 16;
    value *= KG_MIX_FIRST;
    value ^= value >> 15;
    value *= KG_MIX_SECOND;
    return value ^ (value >> 16);
}

/* Key of a stochastic node's stream of random numbers in this step. */
static inline uint32_t kg_random_key(const kg_control *control, int32_t rng_stream)
{
    const uint32_t first = kg_mix(control->seed + (uint32_t)rng_stream * UINT32_C(0x85ebca6b));
    return kg_mix(first + control->step);
}

static inline uint32_t kg_random(uint32_t key, uint32_t index)
{
    return kg_mix(key + index * KG_RANDOM_STEP);
}

/* value / 2^shift, rounded down or up by 32 random bits so that the mean is exact.
   |value| < 2^62. A shift below 0 counts as 0. */
static inline int64_t kg_stochastic_round(int64_t value, int32_t shift, uint32_t bits)
{
    if (shift > 62) {
        const int32_t excess = shift - 62 < 63 ? shift - 62 : 63;
        value >>= excess;
        shift = 62;
    }
    if (shift < 0)
        shift = 0;
    const uint64_t wide = bits;
    const int64_t noise = (int64_t)(shift >= 32 ? wide << (shift - 32) : wide >> (32 - shift));
    return (value + noise) >> shift;
}

/* The same, saturated to 16 bits. */
static inline int32_t kg_stochastic_round16(int64_t value, int32_t shift, uint32_t bits)
{
    const int64_t rounded = kg_stochastic_round(value, shift, bits);
    return rounded > 32767 ? 32767 : rounded < -32767 ? -32767 : (int32_t)rounded;
}

/* Exponents of gradient tensors are kept in sixteenths. */
static inline int32_t kg_whole_exponent(const int32_t *exponent)
{
    return *exponent >> 4;
}

/* One element of a gradient: saturates to +-127 and records the magnitude's bits. */
static inline int8_t kg_gradient_element(int64_t value, int32_t shift, uint32_t bits,
                                         uint32_t *magnitude)
{
    const int32_t rounded = kg_stochastic_round16(value, shift, bits);
    *magnitude |= (uint32_t)(rounded < 0 ? -rounded : rounded);
    return (int8_t)kg_clamp(rounded, -127, 127);
}

/* Elements first, first + 1, … of a gradient whose products share mantissa and shift. */
static inline void kg_gradient_elements(const int32_t *sums, int32_t count, int32_t mantissa,
                                        int32_t shift, uint32_t key, uint32_t first, int8_t *result,
                                        uint32_t *magnitude)
{
    uint32_t seen = 0;
    int32_t i = 0;
    if (!KG_PLAIN_IS_FALLBACK && shift >= 32 && shift <= 62) {
        /* kg_stochastic_round without its cases: compilers turn this into vectors. */
        const int32_t right = shift - 32;
        for (; i < count; i++) {
            const int64_t noise = (int64_t)kg_random(key, first + (uint32_t)i) << right;
            const int32_t high = (int32_t)(((int64_t)sums[i] * mantissa + noise) >> 32);
            const int32_t rounded = kg_clamp(high >> right, -32767, 32767);
            seen |= (uint32_t)(rounded < 0 ? -rounded : rounded);
            result[i] = (int8_t)kg_clamp(rounded, -127, 127);
        }
    }
    for (; i < count; i++)
        result[i] = kg_gradient_element((int64_t)sums[i] * mantissa, shift,
                                        kg_random(key, first + (uint32_t)i), &seen);
    *magnitude |= seen;
}

/* The step of one trained number: gradient * scale * rate, rounded stochastically, saturated to
   32 bits less a margin that keeps the subtraction from overflowing. */
static inline int32_t kg_step(const kg_control *control, int32_t gradient, int32_t scale_mantissa,
                              int32_t scale_exponent, uint32_t bits)
{
    const int32_t scale = scale_mantissa * control->rate_mantissa;
    const int32_t shift = -(scale_exponent + control->rate_exponent);
    if (shift >= 32 && shift <= 62)
        return kg_round_product(gradient, scale, shift - 32, bits);
    const int64_t step = kg_stochastic_round((int64_t)gradient * scale, shift, bits);
    const int64_t limit = KG_ACCUMULATOR_LIMIT;
    return (int32_t)(step > limit ? limit : step < -limit ? -limit : step);
}

static inline int8_t kg_stepped_weight(int8_t weight, int32_t step)
{
    const int32_t stepped = weight - step;
    if ((uint32_t)(stepped + 127) <= 254)
        return (int8_t)stepped;
    kg_counted.weights_saturated++;
    return stepped < 0 ? -127 : 127;
}

/* Moves weight `at` of a tensor by the step that its gradient asks for. */
static inline void kg_update_weight(const kg_control *control, int8_t *weight, int32_t at,
                                    int32_t gradient, int32_t scale_mantissa,
                                    int32_t scale_exponent, uint32_t key)
{
    const int32_t step =
        kg_step(control, gradient, scale_mantissa, scale_exponent, kg_random(key, (uint32_t)at));
    weight[at] = kg_stepped_weight(weight[at], step);
}

static inline int16_t kg_stepped_wide_weight(int16_t weight, int32_t step)
{
    const int32_t stepped = weight - step, cut = kg_clamp(stepped, -32767, 32767);
    kg_counted.weights_saturated += stepped != cut;
    return (int16_t)cut;
}

/* |base| and, with the delta, base + delta stay within the limit, which is below 2^30. */
static inline int16_t kg_stepped_bias_delta(int32_t delta, int32_t base, int32_t step,
                                            int32_t limit)
{
    const int32_t low = -limit - base, high = limit - base, stepped = delta - step;
    const int32_t cut = kg_clamp(stepped, low > -32767 ? low : -32767, high < 32767 ? high : 32767);
    kg_counted.biases_saturated += stepped != cut;
    return (int16_t)cut;
}

#endif
