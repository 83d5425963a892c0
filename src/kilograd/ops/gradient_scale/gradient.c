#include "gradient.h"

#include "kg_lanes.h"
#include "kg_round.h"

#define ALIGNMENT_LIMIT 24

static int32_t at_most(int32_t value, int32_t limit)
{
    return value < limit ? value : limit;
}

static int32_t at_least(int32_t value, int32_t limit)
{
    return value > limit ? value : limit;
}

void kg_gradient_sum(const kg_gradient_sum_parameters *p, const kg_control *control,
                     const int8_t *a, const int32_t *a_exponent, const int8_t *b,
                     const int32_t *b_exponent, const int32_t *result_exponent, int8_t *result,
                     uint32_t *magnitude)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t ea = kg_whole_exponent(a_exponent), eb = kg_whole_exponent(b_exponent);
    const int32_t low = at_least(at_most(ea, eb), at_least(ea, eb) - ALIGNMENT_LIMIT);
    const int32_t left_a = at_least(ea - low, 0), right_a = at_most(at_least(low - ea, 0), 31);
    const int32_t left_b = at_least(eb - low, 0), right_b = at_most(at_least(low - eb, 0), 31);
    const int32_t shift = kg_whole_exponent(result_exponent) - low + 14;
    uint32_t seen = 0;
    int32_t i = 0;
#if KG_HAS_DSP
    const kg_rounding rounding = kg_prepare_rounding(1 << 14, kg_clamp(shift, 0, 62));
    const int32_t a_left = left_a + rounding.left, b_left = left_b + rounding.left;
    /* Without losses by the alignment, and with a sum of less than 32 bits. */
    if (right_a + right_b == 0 && a_left <= 22 && b_left <= 22 && shift >= 0 && shift <= 62) {
        for (; i < p->count; i++) {
            const int32_t sum = a[i] * (INT32_C(1) << a_left) + b[i] * (INT32_C(1) << b_left);
            result[i] = kg_saturate_gradient(kg_round_product(sum, rounding.factor, rounding.right,
                                                              kg_random(key, (uint32_t)i)),
                                             &seen);
        }
    }
#endif
#if KG_HAS_LANES
    /* A sum of less than 32 bits. */
    if (left_a <= 22 && left_b <= 22 && kg_shift_suits_lanes(shift)) {
        kg_lanes joined = {0};
        for (; i + KG_LANES <= p->count; i += KG_LANES) {
            const kg_lanes sums = ((kg_load_lanes(a + i, KG_LANES) << left_a) >> right_a) +
                                  ((kg_load_lanes(b + i, KG_LANES) << left_b) >> right_b);
            kg_store_lanes(kg_gradient_lanes(sums, kg_lanes_of(1 << 14), shift, key, (uint32_t)i,
                                             &joined),
                           result + i, KG_LANES);
        }
        seen = kg_joined_lanes(joined);
    }
#endif
    for (; i < p->count; i++) {
        const int32_t aligned_a = (a[i] * (INT32_C(1) << left_a)) >> right_a;
        const int32_t aligned_b = (b[i] * (INT32_C(1) << left_b)) >> right_b;
        const int64_t sum = (int64_t)aligned_a + aligned_b;
        result[i] = kg_gradient_element(sum * (1 << 14), shift, kg_random(key, (uint32_t)i), &seen);
    }
    *magnitude = seen;
}

void kg_adapt_exponent(const kg_adapt_exponent_parameters *p, int32_t *exponent,
                       const uint32_t *magnitude)
{
    int32_t bits = 0;
    for (uint32_t rest = *magnitude; rest != 0; rest >>= 1)
        bits++;
    int32_t change = 0;
    kg_counted.gradients++;
    kg_counted.gradients_vanished += bits == 0;
    if (bits > 7) {
        kg_counted.gradients_saturated++;
        change = 4 + 16 * (bits - 8);
    } else if (bits != 0 && bits != 7) {
        change = bits >= 4 ? -1 : -16;
    }
    *exponent = kg_clamp(*exponent + change, -p->limit, p->limit);
}
