/* Kernels over pixels whose one body serves every instruction set. Each file of kernels includes
 * this once. */
#ifndef EMB_PIXELS_H
#define EMB_PIXELS_H

#include "kernels.h"

/* The corner of transpose_u8 from row i0 and column j0 on */
static inline void transpose_rest(int64_t i0, int64_t j0, int64_t m, int64_t n, const uint8_t *x,
                                  int64_t ldx, uint8_t *y, int64_t ldy)
{
    for (int64_t j = j0; j < n; j++)
        for (int64_t i = i0; i < m; i++) y[j * ldy + i] = x[i * ldx + j];
}

static inline uint8_t resampled_level(uint32_t sum)
{
    int32_t level = (int32_t)sum >> EMB_RESAMPLE_BITS;
    return (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);
}

/* resample_u8 from column i0 on */
static inline void resample_rest(int64_t i0, int64_t n, int64_t taps, const uint8_t *x, int64_t ldx,
                                 const int32_t *weights, uint8_t *y)
{
    for (int64_t i = i0; i < n; i++) {
        uint32_t sum = UINT32_C(1) << (EMB_RESAMPLE_BITS - 1);
        for (int64_t t = 0; t < taps; t++) sum += (uint32_t)weights[t] * x[t * ldx + i];
        y[i] = resampled_level(sum);
    }
}

static void look_up_u8(int64_t n, const uint8_t *x, const float *table, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = table[x[i]];
}

#endif
