/* What becomes of the sums of one row and sixteen columns: shared by the int8 kernels of AVX2. */
#ifndef EMB_INT8_AVX2_H
#define EMB_INT8_AVX2_H

#include "avx2.h"
#include "kernels.h"

/* sums: of a row, from a column on; of bytes, from which EMB_INT8_MIDDLE has not been taken */
INLINE void finish(const emb_int8_results *r, int64_t row, int64_t column, const __m256i sums[2])
{
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
        const int64_t i = column + j * WIDTH, left = r->n - i;
        const vec bias = r->bias ? load(r->bias + i, left) : set(0.0f);
        vec y = _mm256_cvtepi32_ps(sums[j]);
        if (r->zeros) {
            const __m256i all = _mm256_loadu_si256((const __m256i *)(const void *)(r->sums + i));
            const __m256i middle = _mm256_mullo_epi32(all, _mm256_set1_epi32(EMB_INT8_MIDDLE));
            y = mul_add(set(-r->zeros[row]), _mm256_cvtepi32_ps(all),
                        _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[j], middle)));
        }
        y = mul_add(y * set(r->row_scales[row]), _mm256_loadu_ps(r->scales + i), bias);
        store(r->c + row * r->ldc + i, left, y);
    }
}

/* Sums of eight columns in order, of two vectors of four columns by twos. */
INLINE __m256i join(__m256i low, __m256i high)
{
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
}

#endif
