#include "bias_update.h"

#include "kg_dsp.h"
#include "kg_lanes.h"

static void step(const kg_bias_update_parameters *p, const kg_control *control, uint32_t key,
                 int32_t exponent, int32_t c, int32_t sum, int32_t *bias)
{
    const int32_t step = kg_step(control, sum, p->mantissa[c], p->exponent[c] + exponent,
                                 kg_random(key, (uint32_t)c));
    bias[c] = kg_stepped_bias(bias[c], step, p->limit);
}

#if KG_HAS_DSP
/* Sums of four channels over the positions. */
static inline void sum_four(const kg_bias_update_parameters *p, const int8_t *gradient,
                            int32_t sums[4])
{
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (int32_t done = 0; done < p->positions;) {
        /* As many as 16 bits hold. */
        const int32_t left = p->positions - done, count = left < 256 ? left : 256;
        uint32_t even = 0, odd = 0;
        for (int32_t i = 0; i < count; i++, gradient += p->channels) {
            const uint32_t word = kg_load32(gradient);
            even = kg_add_even_bytes(even, word);
            odd = kg_add_odd_bytes(odd, word);
        }
        sums[0] += (int16_t)even;
        sums[1] += (int16_t)odd;
        sums[2] += (int32_t)even >> 16;
        sums[3] += (int32_t)odd >> 16;
        done += count;
    }
}
#endif

void kg_bias_update(const kg_bias_update_parameters *p, const kg_control *control, int32_t *bias,
                  const int8_t *gradient, const int32_t *gradient_exponent,
                  const int32_t *loss_exponent)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    int32_t c = 0;
#if KG_HAS_DSP
    for (; c + 4 <= p->channels; c += 4) {
        int32_t sums[4];
        sum_four(p, gradient + c, sums);
        for (int32_t i = 0; i < 4; i++)
            step(p, control, key, exponent, c + i, sums[i], bias);
    }
#endif
#if KG_HAS_LANES
    for (; c < p->channels; c += KG_LANES) {
        const int32_t width = kg_lane_width(p->channels - c);
        const int8_t *from = gradient + c;
        kg_lanes sums = {0};
        for (int32_t position = 0; position < p->positions; position++, from += p->channels)
            sums += kg_load_lanes(from, width);
        for (int32_t i = 0; i < width; i++)
            step(p, control, key, exponent, c + i, sums[i], bias);
    }
#endif
    for (; c < p->channels; c++) {
        int32_t sum = 0;
        const int8_t *from = gradient + c;
        for (int32_t position = 0; position < p->positions; position++)
            sum += from[position * p->channels];
        step(p, control, key, exponent, c, sum, bias);
    }
}
