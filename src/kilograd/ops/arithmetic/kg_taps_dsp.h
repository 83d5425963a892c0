/* Sums over the taps of a window, four neighbouring channels at once, by SMLAD. */
#ifndef KG_TAPS_DSP_H
#define KG_TAPS_DSP_H

#include "kg_machine_dsp.h"

#define KG_TAP_CHANNELS 4

/* A window over a map of this width. Strides of the weights may be negative. */
typedef struct {
    int32_t width, channels;
    int32_t kernel_height, kernel_width;
    int32_t weight_row, weight_column;
    uint32_t minus_zero; /* twice; added to every activation */
} kg_taps;

/* Words that kg_pack_taps writes: two bytes for every weight, but four for one without a
   neighbour in its row. */
#define KG_PACKED_TAPS(height, width) (2 * (height) * (width))

/* Weights of four channels as SMLAD reads them: pairs of taps of each channel, and for the last
   of an odd row the channels 0 and 2, then 1 and 3. */
static inline void kg_pack_taps(const kg_taps *t, const int8_t *weight, uint32_t *packed)
{
    for (int32_t ky = 0; ky < t->kernel_height; ky++, weight += t->weight_row) {
        const int8_t *from = weight;
        int32_t kx = 0;
        for (; kx + 2 <= t->kernel_width; kx += 2, packed += 4) {
            const uint32_t left = kg_load32(from), right = kg_load32(from + t->weight_column);
            const uint32_t bottom = kg_pack_bottom(left, right), top = kg_pack_top(left, right);
            from += 2 * t->weight_column;
            packed[0] = kg_even_bytes(bottom);
            packed[1] = kg_odd_bytes(bottom);
            packed[2] = kg_even_bytes(top);
            packed[3] = kg_odd_bytes(top);
        }
        if (kx < t->kernel_width) {
            const uint32_t word = kg_load32(from);
            packed[0] = kg_even_bytes(word);
            packed[1] = kg_odd_bytes(word);
            packed += 2;
        }
    }
}

#define KG_TAP_PAIR                                                                                \
    "ldr %[a], [%[x]]\n"                                                                           \
    "ldr %[b], [%[x], %[next]]\n"                                                                  \
    "ldrd %[u], %[v], [%[w]], #8\n"                                                                \
    "pkhbt %[t], %[a], %[b], lsl #16\n"                                                            \
    "pkhtb %[b], %[b], %[a], asr #16\n"                                                            \
    "sxtab16 %[a], %[zero], %[t]\n"                                                                \
    "sxtab16 %[t], %[zero], %[t], ror #8\n"                                                        \
    "smlad %[s0], %[a], %[u], %[s0]\n"                                                             \
    "smlad %[s1], %[t], %[v], %[s1]\n"                                                             \
    "ldrd %[u], %[v], [%[w]], #8\n"                                                                \
    "sxtab16 %[a], %[zero], %[b]\n"                                                                \
    "sxtab16 %[b], %[zero], %[b], ror #8\n"                                                        \
    "smlad %[s2], %[a], %[u], %[s2]\n"                                                             \
    "smlad %[s3], %[b], %[v], %[s3]\n"                                                             \
    "add %[x], %[x], %[next], lsl #1\n"

#define KG_TAP_SINGLE                                                                              \
    "ldr %[a], [%[x]]\n"                                                                           \
    "ldrd %[u], %[v], [%[w]], #8\n"                                                                \
    "sxtab16 %[b], %[zero], %[a], ror #8\n"                                                        \
    "sxtab16 %[a], %[zero], %[a]\n"                                                                \
    "smlabb %[s0], %[a], %[u], %[s0]\n"                                                            \
    "smlabb %[s1], %[b], %[v], %[s1]\n"                                                            \
    "smlatt %[s2], %[a], %[u], %[s2]\n"                                                            \
    "smlatt %[s3], %[b], %[v], %[s3]\n"

#define KG_TAPS(text)                                                                              \
    __asm__ volatile(                                                                              \
        text                                                                                       \
        : [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2), [s3] "+&r"(s3), [x] "+&r"(x),            \
          [w] "+&r"(packed), [a] "=&r"(a), [b] "=&r"(b), [t] "=&r"(t), [u] "=&r"(u), [v] "=&r"(v)  \
        : [next] "r"(next), [zero] "r"(zero)                                                       \
        : "memory")

/* sums[c] += `rows` rows of taps, all inside the map, the first of them at x. */
static inline void kg_sum_taps(const kg_taps *window, const int8_t *x, const uint32_t *packed,
                               int32_t rows, int32_t sums[KG_TAP_CHANNELS])
{
    const int32_t next = window->channels, width = window->kernel_width;
    const int32_t down = (window->width - (width & ~1)) * next;
    const uint32_t zero = window->minus_zero;
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    uint32_t a, b, t, u, v;
    if (width == 3 && rows == 3) {
        KG_TAPS(KG_TAP_PAIR KG_TAP_SINGLE);
        x += down;
        KG_TAPS(KG_TAP_PAIR KG_TAP_SINGLE);
        x += down;
        KG_TAPS(KG_TAP_PAIR KG_TAP_SINGLE);
    } else {
        for (; rows > 0; rows--, x += down) {
            if (width == 3) {
                KG_TAPS(KG_TAP_PAIR KG_TAP_SINGLE);
            } else if (width == 5) {
                KG_TAPS(KG_TAP_PAIR KG_TAP_PAIR KG_TAP_SINGLE);
            } else if (width == 7) {
                KG_TAPS(KG_TAP_PAIR KG_TAP_PAIR KG_TAP_PAIR KG_TAP_SINGLE);
            } else {
                for (int32_t kx = 2; kx <= width; kx += 2)
                    KG_TAPS(KG_TAP_PAIR);
                if (width & 1)
                    KG_TAPS(KG_TAP_SINGLE);
            }
        }
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* One tap of a pair, of which the weights are in the bottom (b) or top (t) halves. */
#define KG_TAP_OF_PAIR(half)                                                                       \
    "ldr %[a], [%[x]]\n"                                                                           \
    "ldrd %[u], %[v], [%[w]], #8\n"                                                                \
    "sxtab16 %[b], %[zero], %[a], ror #8\n"                                                        \
    "sxtab16 %[a], %[zero], %[a]\n"                                                                \
    "smlab" half " %[s0], %[a], %[u], %[s0]\n"                                                     \
    "smlab" half " %[s1], %[b], %[v], %[s1]\n"                                                     \
    "ldrd %[u], %[v], [%[w]], #8\n"                                                                \
    "smlat" half " %[s2], %[a], %[u], %[s2]\n"                                                     \
    "smlat" half " %[s3], %[b], %[v], %[s3]\n"                                                     \
    "add %[x], %[x], %[next]\n"

/* The same for the taps [first, last) of each row; x is at the first of them, `packed` at the
   row's weights. */
static inline void kg_sum_some_taps(const kg_taps *window, const int8_t *x, const uint32_t *packed,
                                    int32_t rows, int32_t first, int32_t last,
                                    int32_t sums[KG_TAP_CHANNELS])
{
    const int32_t next = window->channels, width = window->kernel_width;
    const int32_t pairs = (last >> 1) - ((first + 1) >> 1);
    const int32_t alone = (last & 1) == 0 ? 0 : last == width ? 1 : 2;
    const int32_t down = (window->width - (last - first) + (alone == 1)) * next;
    const uint32_t *weights = packed + (first >> 1) * 4;
    const uint32_t zero = window->minus_zero;
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    uint32_t a, b, t, u, v;
    if (first >= last)
        return;
    for (; rows > 0; rows--, x += down, weights += 2 * width) {
        packed = weights;
        if (first & 1)
            KG_TAPS(KG_TAP_OF_PAIR("t"));
        for (int32_t pair = pairs; pair > 0; pair--)
            KG_TAPS(KG_TAP_PAIR);
        if (alone == 1)
            KG_TAPS(KG_TAP_SINGLE);
        else if (alone == 2)
            KG_TAPS(KG_TAP_OF_PAIR("b"));
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}
#endif
