#include "kg_bias.h"

#include "kg_machine_dsp.h"

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

void kg_bias_update_dsp(const kg_bias_update_parameters *p, const kg_control *control,
                        int16_t *delta, const void *base, const int8_t *gradient,
                        const int32_t *gradient_exponent, const int32_t *loss_exponent)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    int32_t c = 0;
    for (; c + 4 <= p->channels; c += 4) {
        int32_t sums[4];
        sum_four(p, gradient + c, sums);
        for (int32_t i = 0; i < 4; i++)
            kg_update_bias(p, control, key, exponent, c + i, sums[i], base, delta);
    }
    kg_update_biases(p, control, key, exponent, c, gradient, base, delta);
}
