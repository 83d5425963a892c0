#include "kg_add.h"

#include "kg_requantize_dsp.h"

/* For inputs of which one, that with the larger scale, is only halved, and whose other is rescaled
   by a shift to the right. */
typedef struct {
    int32_t multiplier, zero, half, right;
    int32_t rounds; /* all bits where there is a second rounding */
} rescaling;

static inline int is_halving(int32_t multiplier, int32_t shift)
{
    return multiplier == INT32_C(1) << 30 && shift == 0;
}

static inline int32_t rescale(int32_t value, const rescaling *r)
{
    int32_t high, sign;
    __asm__("add %0, %2, %3, lsl #21\n"
            "smmulr %0, %0, %4\n"
            "and %1, %5, %0, asr #31\n"
            "add %0, %0, %6\n"
            "add %0, %0, %1\n"
            "asr %0, %0, %7\n"
            : "=&r"(high), "=&r"(sign)
            : "r"(r->zero), "r"(value), "r"(r->multiplier), "r"(r->rounds), "r"(r->half),
              "r"(r->right));
    return high;
}

void kg_add_dsp(const kg_add_parameters *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    const int swaps = !is_halving(p->a_multiplier, p->a_shift);
    const int8_t *larger = swaps ? b : a, *smaller = swaps ? a : b;
    const int32_t zero_of_larger = swaps ? p->b_zero_point : p->a_zero_point;
    const int32_t zero_of_smaller = swaps ? p->a_zero_point : p->b_zero_point;
    const int32_t multiplier = swaps ? p->a_multiplier : p->b_multiplier;
    const int32_t left = swaps ? p->a_shift : p->b_shift;
    const rescaling r = {
        .multiplier = multiplier,
        .zero = -zero_of_smaller * (INT32_C(1) << 21),
        .half = (int32_t)((UINT32_C(1) << -left) >> 1),
        .right = -left,
        .rounds = left == 0 ? 0 : -1,
    };
    const kg_requantizer q =
        kg_prepare_requantizer(p->output_multiplier, p->output_shift, 2 * p->output_zero_point + 1);
    const int32_t zero = -zero_of_larger * (INT32_C(1) << 19);
    const int8_t *const end = larger + p->count;
    while (larger != end) {
        const int32_t halved = zero + *larger++ * (INT32_C(1) << 19);
        *y++ = kg_requantize_usual(halved + rescale(*smaller++, &r), q);
    }
}
