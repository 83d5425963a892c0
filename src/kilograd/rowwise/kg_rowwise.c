#include "kg_rowwise.h"

#include <string.h>

static int32_t at_most(int32_t value, int32_t limit)
{
    return value < limit ? value : limit;
}

static int32_t at_least(int32_t value, int32_t limit)
{
    return value > limit ? value : limit;
}

static kg_rowwise_lines *lines_of(const kg_rowwise *s)
{
    return (kg_rowwise_lines *)(void *)(s->arena + s->lines);
}

void kg_rowwise_begin(const kg_rowwise *s)
{
    kg_rowwise_lines *const lines = lines_of(s);
    for (int32_t value = 0; value < s->value_count; value++)
        lines[value] = (kg_rowwise_lines){0, s->values[value].given};
}

static int is_ready(const kg_rowwise *s, int32_t stage)
{
    const kg_rowwise_lines *const lines = lines_of(s);
    const kg_rowwise_stage *const node = s->stages + stage;
    const int32_t row = lines[node->output].have;
    const int32_t last = row * node->stride - node->top + node->height;
    if (row == s->values[node->output].height)
        return 0;
    for (int32_t i = 0; i < KG_ROWWISE_INPUTS && node->input[i] >= 0; i++) {
        const int32_t input = node->input[i];
        if (lines[input].have < at_most(last, s->values[input].height))
            return 0;
    }
    return 1;
}

int32_t kg_rowwise_next(const kg_rowwise *s)
{
    int32_t stage = s->stage_count - 1;
    while (stage >= 0 && !is_ready(s, stage))
        stage--;
    return stage;
}

/* First row of a value that the next row of a node reads. */
static int32_t first_needed(const kg_rowwise *s, const kg_rowwise_stage *node, int32_t value)
{
    const int32_t row = lines_of(s)[node->output].have, height = s->values[value].height;
    if (row == s->values[node->output].height)
        return height;
    return at_most(at_least(row * node->stride - node->top, 0), height);
}

static int8_t *row_of(const kg_rowwise *s, int32_t value, int32_t row)
{
    const kg_rowwise_value *const v = s->values + value;
    return (int8_t *)s->arena + v->offset + (row - lines_of(s)[value].first) * v->row_bytes;
}

kg_rowwise_row kg_rowwise_begin_row(const kg_rowwise *s, int32_t stage)
{
    const kg_rowwise_stage *const node = s->stages + stage;
    const int32_t row = lines_of(s)[node->output].have;
    const int32_t first = row * node->stride - node->top;
    const int32_t height = s->values[node->input[0]].height;
    kg_rowwise_row r = {{NULL, NULL}, row_of(s, node->output, row), 0, 0};
    r.above = at_least(-first, 0);
    r.present = at_most(first + node->height, height) - at_least(first, 0);
    for (int32_t i = 0; i < KG_ROWWISE_INPUTS && node->input[i] >= 0; i++)
        r.input[i] = row_of(s, node->input[i], at_least(first, 0));
    return r;
}

/* Moves bytes down; whole words where it can. */
static void move_down(int8_t *to, const int8_t *from, int32_t bytes)
{
    for (; bytes >= 16; bytes -= 16, to += 16, from += 16) {
        uint32_t four[4];
        memcpy(four, from, 16);
        memcpy(to, four, 16);
    }
    for (; bytes > 0; bytes--)
        *to++ = *from++;
}

static void drop_rows(const kg_rowwise *s, int32_t value)
{
    int32_t needed = s->values[value].height;
    if (s->values[value].whole)
        return;
    for (int32_t stage = 0; stage < s->stage_count; stage++) {
        const kg_rowwise_stage *const node = s->stages + stage;
        if (node->input[0] == value || node->input[1] == value)
            needed = at_most(needed, first_needed(s, node, value));
    }
    kg_rowwise_lines *const lines = lines_of(s) + value;
    needed = at_most(needed, lines->have); /* a stride may skip rows that are yet to come */
    if (needed <= lines->first)
        return;
    move_down(row_of(s, value, lines->first), row_of(s, value, needed),
              (lines->have - needed) * s->values[value].row_bytes);
    lines->first = needed;
}

void kg_rowwise_end_row(const kg_rowwise *s, int32_t stage)
{
    const kg_rowwise_stage *const node = s->stages + stage;
    lines_of(s)[node->output].have++;
    for (int32_t i = 0; i < KG_ROWWISE_INPUTS && node->input[i] >= 0; i++)
        drop_rows(s, node->input[i]);
}

void kg_rowwise_push(const kg_rowwise *s, const int8_t *row)
{
    kg_rowwise_lines *const lines = lines_of(s);
    memcpy(row_of(s, 0, lines->have), row, (size_t)s->values[0].row_bytes);
    lines->have++;
}
