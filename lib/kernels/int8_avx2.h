/* What becomes of the sums of one row and sixteen columns: shared by the int8 kernels of AVX2. */
#ifndef EMB_INT8_AVX2_H
#define EMB_INT8_AVX2_H

#include "avx2.h"
#include "kernels.h"

/* Where a result goes, and what makes it of a sum. */
typedef struct {
    const emb_rows_i8 *a;
    const emb_panels_i8 *w;
    const float *bias;
    float *c;
    int64_t n, ldc;
} results;

/* sums: of u * w, u a byte of the row */
INLINE void finish(const results *r, int64_t row, int64_t column, const __m256i sums[2])
{
    const __m256i zero = _mm256_set1_epi32(r->a->zeros[row]);

#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
        const int64_t i = column + j * WIDTH, left = r->n - i;
        const __m256i of_w = _mm256_loadu_si256((const __m256i *)(const void *)(r->w->sums + i));
        const __m256i sum = _mm256_sub_epi32(sums[j], _mm256_mullo_epi32(zero, of_w));
        const vec scale = set(r->a->scales[row]) * _mm256_loadu_ps(r->w->scales + i);
        vec y = _mm256_cvtepi32_ps(sum) * scale;
        if (r->bias) y = y + load(r->bias + i, left);
        store(r->c + row * r->ldc + i, left, y);
    }
}

#endif
