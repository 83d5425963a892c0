#include "kg_upsample.h"

/* Channels summed at once. */
#define BLOCK 16

KG_SMALL
void kg_upsample_input_gradient_plain(const kg_upsample_input_gradient_parameters *p,
                                      const kg_control *control, const int8_t *gradient,
                                      const int32_t *gradient_exponent,
                                      const int32_t *result_exponent, int8_t *result,
                                      uint32_t *magnitude)
{
    const int32_t shift = kg_whole_exponent(result_exponent) -
                          kg_whole_exponent(gradient_exponent) + KG_UPSAMPLE_HEADROOM;
    const uint32_t key = kg_random_key(control, p->rng_stream);
    const int32_t row_bytes = p->width * p->columns * p->channels;
    uint32_t seen = 0, index = 0;
    for (int32_t row = 0; row < p->height; row++)
        for (int32_t column = 0; column < p->width; column++) {
            const int8_t *const copies =
                gradient + row * p->rows * row_bytes + column * p->columns * p->channels;
            for (int32_t c = 0; c < p->channels; c += BLOCK) {
                const int32_t left = p->channels - c, width = left < BLOCK ? left : BLOCK;
                int32_t sums[BLOCK] = {0};
                for (int32_t y = 0; y < p->rows; y++)
                    for (int32_t z = 0; z < p->columns; z++) {
                        const int8_t *const from = copies + y * row_bytes + z * p->channels + c;
                        for (int32_t b = 0; b < width; b++)
                            sums[b] += from[b];
                    }
                kg_gradient_elements(sums, width, 1 << KG_UPSAMPLE_HEADROOM, shift, key, index,
                                     result + index, &seen);
                index += (uint32_t)width;
            }
        }
    *magnitude = seen;
}
