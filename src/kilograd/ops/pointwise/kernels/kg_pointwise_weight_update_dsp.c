#include "kg_all_registers.h"

#include "kg_round_dsp.h"
#include "kg_gemm4_dsp.h"
#include "kg_pointwise.h"

/* Gradients of four outputs as [positions / 2][4] pairs; zeros for a position or for outputs that
   do not exist. */
static void pack_gradients(const int8_t *gradient, int32_t positions, int32_t outputs,
                           int32_t width, uint32_t *packed)
{
    for (int32_t position = 0; position < positions; position += 2, packed += 4) {
        const int8_t *const next = gradient + outputs;
        const int has_next = position + 1 < positions;
        if (width == 4) {
            const uint32_t low = kg_load32(gradient), high = has_next ? kg_load32(next) : 0;
            const uint32_t bottom = kg_pack_bottom(low, high), top = kg_pack_top(low, high);
            packed[0] = kg_even_bytes(bottom);
            packed[1] = kg_odd_bytes(bottom);
            packed[2] = kg_even_bytes(top);
            packed[3] = kg_odd_bytes(top);
        } else {
            for (int32_t c = 0; c < 4; c++)
                packed[c] = c < width ? kg_pack_bottom((uint32_t)gradient[c],
                                                       has_next ? (uint32_t)next[c] : 0)
                                      : 0;
        }
        gradient = next + outputs;
    }
}

/* One channel of the activations, zero point taken off, in pairs of positions. */
static void pack_channel(const int8_t *x, int32_t positions, int32_t channels, int32_t zero_point,
                         uint32_t *packed)
{
    for (int32_t position = 0; position < positions; position += 2, x += 2 * channels) {
        const int32_t second = position + 1 < positions ? x[channels] - zero_point : 0;
        *packed++ = kg_pack_bottom((uint32_t)(x[0] - zero_point), (uint32_t)second);
    }
}

#define KG_POSITION_PAIR                                                                           \
    "ldmia %[g]!, {r4, r5, r6, r8}\n"                                                              \
    "ldr %[pair], [%[x]], #4\n"                                                                    \
    "smlad %[s0], r4, %[pair], %[s0]\n"                                                            \
    "smlad %[s1], r5, %[pair], %[s1]\n"                                                            \
    "smlad %[s2], r6, %[pair], %[s2]\n"                                                            \
    "smlad %[s3], r8, %[pair], %[s3]\n"

/* sums[c] = gradients of output c . activations */
static inline void correlate(const uint32_t *gradients, const uint32_t *x, int32_t pairs,
                             int32_t sums[4])
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    uint32_t pair;
    /* clang-format off */
    __asm__ volatile("tst %[n], #1\n"
                     "beq 1f\n" KG_POSITION_PAIR
                     "1: tst %[n], #2\n"
                     "beq 2f\n" KG_POSITION_PAIR KG_POSITION_PAIR
                     "2: lsrs %[n], %[n], #2\n"
                     "beq 4f\n"
                     "3:\n" KG_POSITION_PAIR KG_POSITION_PAIR KG_POSITION_PAIR KG_POSITION_PAIR
                     "subs %[n], %[n], #1\n"
                     "bne 3b\n"
                     "4:\n"
                     : [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2), [s3] "+&r"(s3),
                       [g] "+&r"(gradients), [x] "+&r"(x), [n] "+&r"(pairs), [pair] "=&r"(pair)
                     :
                     : "r4", "r5", "r6", "r8", "cc", "memory");
    /* clang-format on */
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

void kg_pointwise_weight_update_dsp(const kg_pointwise_weight_update_parameters *p,
                                    const kg_control *control, int8_t *weight,
                                    const int8_t *gradient, const int32_t *gradient_exponent,
                                    const int8_t *x, const int32_t *loss_exponent,
                                    uint32_t *scratch)
{
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t exponent = kg_whole_exponent(gradient_exponent) + *loss_exponent;
    const int32_t pairs = (p->positions + 1) >> 1;
    uint32_t *const gradients = scratch, *const tile = scratch + 4 * pairs;
    kg_counted.weight_updates += (uint32_t)(p->outputs * p->trained);
    for (int32_t first = 0; first < p->trained; first += KG_WEIGHT_UPDATE_TILE) {
        const int32_t rest = p->trained - first;
        const int32_t width = rest < KG_WEIGHT_UPDATE_TILE ? rest : KG_WEIGHT_UPDATE_TILE;
        for (int32_t t = 0; t < width; t++) {
            const int32_t channel = p->order == NULL ? first + t : p->order[first + t];
            pack_channel(x + channel, p->positions, p->channels, p->zero_point, tile + t * pairs);
        }
        for (int32_t o = 0; o < p->outputs; o += 4) {
            const int32_t outputs = p->outputs - o < 4 ? p->outputs - o : 4;
            pack_gradients(gradient + o, p->positions, p->outputs, outputs, gradients);
            for (int32_t t = 0; t < width; t++) {
                int32_t sums[4], at = o * p->trained + first + t;
                correlate(gradients, tile + t * pairs, pairs, sums);
                for (int32_t c = 0; c < outputs; c++, at += p->trained) {
                    kg_update_weight(control, weight, at, sums[c], p->mantissa[o + c],
                                     p->exponent[o + c] + exponent, key);
                }
            }
            KG_YIELD_POINT();
        }
    }
}
