/* Members that every kernel with a sliding window has; taps outside the map are skipped. */
#ifndef KG_WINDOW_H
#define KG_WINDOW_H

#include <stdint.h>

#define KG_WINDOW_MEMBERS                                                                          \
    int32_t input_height, input_width, output_height, output_width;                                \
    int32_t kernel_height, kernel_width, stride, top, left

/* The taps [first, last) of `kernel` that fall inside [0, extent) when the window starts at
   `start`. */
static inline int32_t kg_first_tap(int32_t start)
{
    return start < 0 ? -start : 0;
}

static inline int32_t kg_last_tap(int32_t start, int32_t kernel, int32_t extent)
{
    return start + kernel > extent ? extent - start : kernel;
}

#endif
