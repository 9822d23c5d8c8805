/* What a vector is for AVX2: eight floats. Shared by the files of its kernels; vector.h says what
 * each of these does. */
#ifndef EMB_AVX2_H
#define EMB_AVX2_H

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile this file with -mavx2 -mfma -mf16c"
#endif
#include <immintrin.h>

#include "kernels.h"

typedef __m256 vec;
typedef uint32_t uvec __attribute__((vector_size(sizeof(vec))));
enum { WIDTH = 8 };

INLINE vec set(float x) { return _mm256_set1_ps(x); }
INLINE vec mul_add(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vec least(vec a, vec b) { return _mm256_min_ps(a, b); }
INLINE vec most(vec a, vec b) { return _mm256_max_ps(a, b); }
INLINE vec where_less(vec a, vec b, vec x, vec y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
INLINE __m256i first(int64_t left)
{
    const int count = (int)EMB_MAX(0, EMB_MIN(left, 8));
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vec load(const float *p, int64_t left)
{
    return left >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first(left));
}
INLINE void store(float *p, int64_t left, vec x)
{
    if (left >= 8)
        _mm256_storeu_ps(p, x);
    else
        _mm256_maskstore_ps(p, first(left), x);
}

#endif
