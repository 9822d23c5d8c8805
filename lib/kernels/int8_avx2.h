/* What becomes of the sums of one row and sixteen columns: shared by the int8 kernels of AVX2. */
#ifndef EMB_INT8_AVX2_H
#define EMB_INT8_AVX2_H

#include "avx2.h"
#include "kernels.h"

/* sums: of a row, from a column on */
INLINE void finish(const emb_int8_results *r, int64_t row, int64_t column, const __m256i sums[2])
{
    const __m256i zero = _mm256_set1_epi32(r->zeros ? r->zeros[row] : 0);

#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
        const int64_t i = column + j * WIDTH, left = r->n - i;
        const vec scale = set(r->row_scales[row]) * _mm256_loadu_ps(r->scales + i);
        __m256i sum = sums[j];
        if (r->zeros)
            sum = _mm256_sub_epi32(sum, _mm256_mullo_epi32(zero, _mm256_loadu_si256(
                                            (const __m256i *)(const void *)(r->sums + i))));
        vec y = _mm256_cvtepi32_ps(sum) * scale;
        if (r->bias) y = y + load(r->bias + i, left);
        store(r->c + row * r->ldc + i, left, y);
    }
}

/* Sums of eight columns in order, of two vectors of four columns by twos. */
INLINE __m256i join(__m256i low, __m256i high)
{
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
}

#endif
