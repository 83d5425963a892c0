/* Where normal ends: the error that 99 of 100 normal samples do not exceed, found as they come. */
#ifndef KG_THRESHOLD_H
#define KG_THRESHOLD_H

#include <stdint.h>
#include <string.h>

/* Errors that are kept: enough for a hundred times as many samples. */
#ifndef KG_THRESHOLD_KEPT
#define KG_THRESHOLD_KEPT 16u
#endif

typedef struct {
    uint32_t count;
    int32_t largest[KG_THRESHOLD_KEPT]; /* from the largest on */
} kg_threshold;

/* First of all, and to begin anew; memory that is zero has begun. */
static inline void kg_threshold_begin(kg_threshold *t)
{
    memset(t, 0, sizeof *t);
}

/* The error of a sample that is known to be normal: kg_predict()[0] after learning. */
static inline void kg_threshold_add(kg_threshold *t, int32_t error)
{
    uint32_t place = t->count < KG_THRESHOLD_KEPT ? t->count : KG_THRESHOLD_KEPT;
    t->count++;
    if (place == KG_THRESHOLD_KEPT && error <= t->largest[--place])
        return;
    for (; place > 0 && t->largest[place - 1] < error; place--)
        t->largest[place] = t->largest[place - 1];
    t->largest[place] = error;
}

/* What is above this counts as an anomaly; INT32_MAX before there is any sample. Of more than a
   hundred times KG_THRESHOLD_KEPT samples, it is the smallest error that is kept. */
static inline int32_t kg_threshold_get(const kg_threshold *t)
{
    if (t->count == 0)
        return INT32_MAX;
    const uint32_t above = (t->count - 1) / 100;
    return t->largest[above < KG_THRESHOLD_KEPT ? above : KG_THRESHOLD_KEPT - 1];
}

#endif
