/* Nodes that run a row at a time: which is next, where its rows are, which rows are dropped. */
#ifndef KG_ROWWISE_H
#define KG_ROWWISE_H

#include <stdint.h>

#define KG_ROWWISE_INPUTS 2

/* A map: its rows, or those of them that are still to be read. */
typedef struct {
    int32_t height, row_bytes;
    int32_t given;  /* rows that are there from the beginning */
    int32_t whole;  /* no row is ever dropped */
    int32_t offset; /* of its first row in the arena */
} kg_rowwise_value;

/* A node: what it reads and makes, and the window under one of its rows. */
typedef struct {
    int16_t input[KG_ROWWISE_INPUTS]; /* indices of values; -1 for none */
    int16_t output;
    int16_t height, stride, top;
} kg_rowwise_stage;

typedef struct {
    const kg_rowwise_value *values;
    const kg_rowwise_stage *stages;
    int32_t value_count, stage_count;
    uint8_t *arena;
    int32_t lines; /* offset of the values' lines in the arena */
} kg_rowwise;

/* A value's rows first, first + 1, … up to but without `have`, next to each other. */
typedef struct {
    int32_t first, have;
} kg_rowwise_lines;

/* One row of a node: `present` rows of the input under it, and `above` that lie outside. */
typedef struct {
    const int8_t *input[KG_ROWWISE_INPUTS];
    void *output;
    int32_t present, above;
} kg_rowwise_row;

/* Before the first row. */
void kg_rowwise_begin(const kg_rowwise *s);

/* The deepest node whose rows are there; -1 if there is none. */
int32_t kg_rowwise_next(const kg_rowwise *s);

/* Where its next row is made, and of what. */
kg_rowwise_row kg_rowwise_begin_row(const kg_rowwise *s, int32_t stage);

/* Counts the row, and drops those that no node needs any more. */
void kg_rowwise_end_row(const kg_rowwise *s, int32_t stage);

/* Appends a row to the first value, which comes from outside. */
void kg_rowwise_push(const kg_rowwise *s, const int8_t *row);

#endif
