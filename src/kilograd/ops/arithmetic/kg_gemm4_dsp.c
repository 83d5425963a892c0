#include "kg_all_registers.h"

#include "kg_gemm4_dsp.h"

/* Where `count` is no multiple of four, the zeros that end a row are multiplied by what lies behind
   the weights, and only those of the last outputs are read one by one. */
static KG_INLINE void multiply(const kg_outputs *layer, const uint32_t *rows, const int8_t *weight,
                               int32_t count, const int8_t *frozen, int32_t rest, int8_t *y)
{
    const int32_t *const bias = layer->bias, *const multiplier = layer->multiplier;
    const int8_t *const shift = layer->shift;
    const int32_t outputs = layer->outputs, odd = 2 * layer->zero_point + 1;
    const int32_t padded = kg_padded(count);
    const int8_t *const safe = weight + outputs * count - padded;
    int8_t *const y1 = y + layer->all, *const y2 = y1 + layer->all, *const y3 = y2 + layer->all;
    for (int32_t o = 0; o < outputs; o++) {
        int32_t sums[KG_ROWS] = {bias[o], bias[o], bias[o], bias[o]};
        if (rest != 0) {
            const uint32_t *const behind = kg_dot_rows(rows, &weight, count, sums);
            kg_dot_rows(behind, &frozen, rest, sums);
        } else if (padded == count) {
            kg_dot_rows(rows, &weight, count, sums);
        } else {
            const int8_t *from = weight;
            kg_dot_rows(rows, &from, weight <= safe ? padded : count, sums);
            weight += count;
        }
        const kg_requantizer q = kg_prepare_requantizer(multiplier[o], shift[o], odd);
        y[o] = kg_requantize_usual(sums[0], q);
        y1[o] = kg_requantize_usual(sums[1], q);
        y2[o] = kg_requantize_usual(sums[2], q);
        y3[o] = kg_requantize_usual(sums[3], q);
    }
}

void kg_multiply_rows(const kg_outputs *layer, const uint32_t *rows, const int8_t *weight,
                      int32_t count, const int8_t *frozen, int32_t rest, int8_t *y)
{
    multiply(layer, rows, weight, count, frozen, rest, y);
}

void kg_multiply_whole_rows(const kg_outputs *layer, const uint32_t *rows, const int8_t *weight,
                            int32_t groups, int8_t *y)
{
    multiply(layer, rows, weight, 4 * groups, NULL, 0, y);
}
