#include "kg_pointwise.h"

#include "kg_effective.h"
#include "kg_gemm4_dsp.h"

static void expand(const kg_pointwise_parameters *p, const int8_t *x, uint32_t *rows)
{
    if (p->order == NULL) {
        kg_expand_rows(x, p->channels, p->channels, p->zero_point, rows);
        return;
    }
    rows = kg_expand_rows_ordered(x, p->channels, p->order, p->trained, p->zero_point, rows);
    kg_expand_rows_ordered(x, p->channels, p->order + p->trained, p->channels - p->trained,
                           p->zero_point, rows);
}

/* The outputs of a layer, some or all of those that lie next to each other. */
static void multiply_slice(const kg_pointwise_parameters *p, const kg_outputs *layer,
                           const int8_t *x, const int8_t *weight, const int8_t *frozen, int8_t *y,
                           uint32_t *rows)
{
    const int32_t rest = p->channels - p->trained;
    for (int32_t position = 0; position < p->positions; position += KG_ROWS) {
        /* The last rows may be computed twice. */
        const int32_t first =
            position + KG_ROWS <= p->positions ? position : p->positions - KG_ROWS;
        expand(p, x + first * p->channels, rows);
        int8_t *const to = y + first * p->outputs;
        if (rest == 0 && p->channels % 4 == 0)
            kg_multiply_whole_rows(layer, rows, weight, p->channels >> 2, to);
        else
            kg_multiply_rows(layer, rows, weight, p->trained, frozen, rest, to);
        KG_YIELD_POINT();
    }
}

void kg_pointwise_dsp(const kg_pointwise_parameters *p, const int8_t *x, const int32_t *bias,
                      const int8_t *weight, const int8_t *frozen, const int8_t *delta, int8_t *y,
                      int16_t *scratch)
{
    const int32_t rest = p->channels - p->trained;
    kg_outputs layer = {bias,       p->multiplier, p->shift,
                        p->outputs, p->outputs,    p->output_zero_point};
    if (delta == NULL) {
        /* At large maps of few channels every byte of the arena counts, but none of the stack. */
        uint32_t few[KG_ROWS * KG_POINTWISE_FEW / 2];
        const int is_few = p->channels <= KG_POINTWISE_FEW && rest == 0;
        uint32_t *const rows = is_few ? few : (uint32_t *)(void *)scratch;
        multiply_slice(p, &layer, x, weight, frozen, y, rows);
        return;
    }
    int8_t *const effective = (int8_t *)scratch + p->effective_offset;
    for (int32_t first = 0; first < p->outputs; first += p->slice) {
        const int32_t left = p->outputs - first, skipped = first * p->trained;
        layer.outputs = left < p->slice ? left : p->slice;
        kg_effective_weights(weight + skipped, delta + skipped, layer.outputs * p->trained,
                             p->fraction_bits, effective);
        multiply_slice(p, &layer, x, effective, rest == 0 ? NULL : frozen + first * rest, y + first,
                       (uint32_t *)(void *)scratch);
        layer.bias += p->slice;
        layer.multiplier += p->slice;
        layer.shift += p->slice;
    }
}
