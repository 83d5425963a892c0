#include "kg_log_mel.h"

#include <string.h>

#include "kg_log_mel_tables.h"

#define N KG_LOG_MEL_WINDOW
#define POINTS (N / 2)
#define TWIDDLE_BITS 30

typedef struct {
    int32_t re, im;
} complex_number;

/* cosine - i * sine of 2 pi index / N, 0 <= index <= N / 2. */
static complex_number twiddle(int32_t index)
{
    const int32_t quarter = N / 4;
    if (index > quarter)
        return (complex_number){-sine_table[index - quarter], sine_table[N / 2 - index]};
    return (complex_number){sine_table[quarter - index], sine_table[index]};
}

static int32_t rounded(int64_t product)
{
    return (int32_t)((product + (INT64_C(1) << (TWIDDLE_BITS - 1))) >> TWIDDLE_BITS);
}

static complex_number turn(int32_t re, int32_t im, complex_number by)
{
    return (complex_number){rounded((int64_t)by.re * re + (int64_t)by.im * im),
                            rounded((int64_t)by.re * im - (int64_t)by.im * re)};
}

/* Even samples become real parts and odd ones imaginary parts, in bit-reversed order. */
static void load(const int16_t *samples, int32_t *spectrum)
{
    uint32_t reversed = 0;
    for (int32_t i = 0; i < POINTS; i++) {
        for (int32_t part = 0; part < 2; part++) {
            const int32_t at = 2 * i + part;
            const int32_t window = window_table[at < N / 2 ? at : N - 1 - at];
            spectrum[2 * reversed + (uint32_t)part] =
                (samples[at] * window + (1 << (WINDOW_SHIFT - 1))) >> WINDOW_SHIFT;
        }
        uint32_t bit = POINTS / 2;
        for (; reversed & bit; bit >>= 1)
            reversed ^= bit;
        reversed |= bit;
    }
}

/* x[0], x[half] <- x[0] + t, x[0] - t */
static void butterfly(int32_t *x, int32_t half, complex_number t)
{
    int32_t *y = x + 2 * half;
    y[0] = x[0] - t.re;
    y[1] = x[1] - t.im;
    x[0] += t.re;
    x[1] += t.im;
}

static void transform(int32_t *spectrum)
{
    for (int32_t half = 1; half < POINTS; half *= 2) {
        /* The first factor is one, and multiplying by it would change no bit. */
        for (int32_t i = 0; i < POINTS; i += 2 * half) {
            int32_t *x = spectrum + 2 * i;
            butterfly(x, half, (complex_number){x[2 * half], x[2 * half + 1]});
        }
        for (int32_t j = 1; j < half; j++) {
            const complex_number by = twiddle(j * (POINTS / half));
            for (int32_t i = j; i < POINTS; i += 2 * half) {
                int32_t *x = spectrum + 2 * i;
                butterfly(x, half, turn(x[2 * half], x[2 * half + 1], by));
            }
        }
    }
}

/* The real samples' transform, from that of the complex numbers that they were packed into. */
static uint64_t power(const int32_t *spectrum, int32_t bin)
{
    const int32_t *near = spectrum + 2 * (bin % POINTS);
    const int32_t *far = spectrum + 2 * ((POINTS - bin) % POINTS);
    const complex_number odd = turn(near[1] + far[1], far[0] - near[0], twiddle(bin));
    const int64_t re = near[0] + far[0] + odd.re;
    const int64_t im = near[1] - far[1] + odd.im;
    return (uint64_t)(re * re + im * im) >> POWER_SHIFT;
}

/* value >= 1 */
static int32_t integer_log2(uint64_t value)
{
    int32_t whole = 0;
    for (int32_t bits = 32; bits > 0; bits /= 2)
        if (value >> (whole + bits))
            whole += bits;
    const uint32_t mantissa =
        (uint32_t)(whole < LOG_BITS ? value << (LOG_BITS - whole) : value >> (whole - LOG_BITS)) -
        (UINT32_C(1) << LOG_BITS);
    const int32_t between = LOG_BITS - LOG_SEGMENT_BITS;
    const uint16_t *point = log_table + (mantissa >> between);
    const int32_t rest = (int32_t)(mantissa & ((UINT32_C(1) << between) - 1));
    const int32_t rise = (point[1] - point[0]) * rest;
    return whole * (1 << LOG_BITS) + point[0] + ((rise + (1 << (between - 1))) >> between);
}

static int8_t quantize(uint64_t sum)
{
    const int64_t centred = integer_log2(sum > 0 ? sum : 1) - CENTRE;
    const int64_t rounding = INT64_C(1) << (RESCALE_BITS - 1);
    const int32_t step = (int32_t)((centred * MULTIPLIER + rounding) >> RESCALE_BITS) + ZERO_POINT;
    return (int8_t)(step < -128 ? -128 : step > 127 ? 127 : step);
}

static void frame(const int16_t *samples, int32_t *spectrum, int8_t *bands)
{
    load(samples, spectrum);
    transform(spectrum);
    uint64_t rising = 0;
    int32_t bin = FIRST_BIN;
    for (int32_t segment = 0; segment <= KG_LOG_MEL_BANDS; segment++) {
        /* The filter that peaked where this segment begins falls, the next one rises. */
        uint64_t falling = rising;
        rising = 0;
        for (; bin < segment_end[segment]; bin++) {
            const uint64_t whole = power(spectrum, bin);
            const uint64_t part = whole * fraction_table[bin - FIRST_BIN];
            rising += part;
            falling += (whole << FRACTION_BITS) - part;
        }
        if (segment > 0)
            bands[segment - 1] = quantize(falling);
    }
}

void kg_log_mel_reset(kg_log_mel *state)
{
    state->count = 0;
}

int32_t kg_log_mel_push(kg_log_mel *state, kg_log_mel_scratch *scratch, const int16_t *samples,
                        int32_t count, int8_t *frames)
{
    int32_t made = 0;
    while (count > 0) {
        const int32_t missing = N - state->count;
        const int32_t taken = count < missing ? count : missing;
        memcpy(state->samples + state->count, samples, (uint32_t)taken * sizeof *samples);
        state->count += taken;
        samples += taken;
        count -= taken;
        if (state->count < N)
            break;
        frame(state->samples, scratch->spectrum, frames + made * KG_LOG_MEL_BANDS);
        made++;
        state->count = N - KG_LOG_MEL_HOP;
        for (int32_t i = 0; i < state->count; i++)
            state->samples[i] = state->samples[i + KG_LOG_MEL_HOP];
    }
    return made;
}
