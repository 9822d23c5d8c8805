/* What becomes of the sums of one row and sixteen columns: shared by NEON's int8 kernels. */
#ifndef EMB_INT8_NEON_H
#define EMB_INT8_NEON_H

#include "kernels.h"
#include "neon.h"

enum { QUARTERS = EMB_PANEL / WIDTH };

/* Where a result goes, and what makes it of a sum. */
typedef struct {
    const emb_rows_i8 *a;
    const emb_panels_i8 *w;
    const float *bias;
    float *c;
    int64_t n, ldc;
} results;

/* sums: of (u - offset) * w, u a byte of the row */
INLINE void finish(const results *r, int64_t row, int64_t column, int32_t offset,
                   const int32x4_t sums[QUARTERS])
{
    const int32_t zero = r->a->zeros[row] - offset;

#pragma GCC unroll 4
    for (int j = 0; j < QUARTERS; j++) {
        const int64_t i = column + j * WIDTH, left = r->n - i;
        const int32x4_t sum = vmlsq_n_s32(sums[j], vld1q_s32(r->w->sums + i), zero);
        const vec scale = vld1q_f32(r->w->scales + i) * set(r->a->scales[row]);
        vec y = vcvtq_f32_s32(sum) * scale;
        if (r->bias) y = y + load(r->bias + i, left);
        store(r->c + row * r->ldc + i, left, y);
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
