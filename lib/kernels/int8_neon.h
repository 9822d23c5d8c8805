/* What becomes of the sums of one row and sixteen columns: shared by NEON's int8 kernels. */
#ifndef EMB_INT8_NEON_H
#define EMB_INT8_NEON_H

#include "kernels.h"
#include "neon.h"

enum { QUARTERS = EMB_PANEL / WIDTH, EIGHTHS = 2 * QUARTERS };

/* sums: of (u - offset) * w, u a number of the row */
INLINE void finish(const emb_int8_results *r, int64_t row, int64_t column, const int32_t offset,
                   const int32x4_t sums[QUARTERS])
{
#pragma GCC unroll 4
    for (int j = 0; j < QUARTERS; j++) {
        const int64_t i = column + j * WIDTH, left = r->n - i;
        const vec bias = r->bias ? load(r->bias + i, left) : set(0.0f);
        vec y = vcvtq_f32_s32(sums[j]);
        if (r->zeros) {
            const int32x4_t all = vld1q_s32(r->sums + i);
            const int32x4_t sum = vmlsq_n_s32(sums[j], all, EMB_INT8_MIDDLE - offset);
            y = mul_add(set(-r->zeros[row]), vcvtq_f32_s32(all), vcvtq_f32_s32(sum));
        }
        store(r->c + row * r->ldc + i, left, mul_add(y * set(r->row_scales[row]), vld1q_f32(r->scales + i), bias));
    }
}

/* Of some rows, a vector of which holds two sums for each of two columns */
INLINE void finish_twos(const emb_int8_results *out, int64_t row, int64_t rows, int64_t column,
                        int32_t offset, int32x4_t twos[][EIGHTHS])
{
    for (int64_t r = 0; r < rows; r++) {
        int32x4_t sums[QUARTERS];
        for (int j = 0; j < QUARTERS; j++)
            sums[j] = vpaddq_s32(twos[r][2 * j], twos[r][2 * j + 1]);
        finish(out, row + r, column, offset, sums);
    }
}

/* Four bytes of a row in every lane */
INLINE uint8x16_t four_of(const uint8_t *u)
{
    uint32_t four;
    memcpy(&four, u, 4);
    return vreinterpretq_u8_u32(vdupq_n_u32(four));
}

#endif
