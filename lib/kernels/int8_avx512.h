/* What becomes of sums: shared by the int8 kernels of AVX-512. */
#ifndef EMB_INT8_AVX512_H
#define EMB_INT8_AVX512_H

#include <immintrin.h>

#include "kernels.h"

enum { WIDTH = 16 };
typedef __m512 vec;
typedef __m512i total;
typedef emb_int8_results operands;

INLINE vec set(float x) { return _mm512_set1_ps(x); }
INLINE vec mul_add(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
INLINE __mmask16 first(int64_t left)
{
    return (__mmask16)(left >= 16 ? 0xffff : (1 << left) - 1);
}

/* Of some rows, whose sums are step apart, and sixteen columns; zeros: there are any */
INLINE void finish_rows(const bool zeros, const operands *o, const int rows, int64_t row, int64_t column,
                        __mmask16 last, const total *sums, const int step)
{
    const vec scale = _mm512_loadu_ps(o->scales + column);
    const vec bias = o->bias ? _mm512_maskz_loadu_ps(last, o->bias + column) : set(0.0f);
    const vec all = zeros ? _mm512_cvtepi32_ps(_mm512_loadu_si512(o->sums + column)) : set(0.0f);
    const float *const row_scales = o->row_scales + row, *const zero = zeros ? o->zeros + row : NULL;
    const int64_t ldc = o->ldc;
    float *c = o->c + row * ldc + column;

#pragma GCC unroll 8
    for (int r = 0; r < rows; r++, c += ldc) {
        vec y = _mm512_cvtepi32_ps(sums[r * step]);
        if (zeros) y = _mm512_fnmadd_ps(set(zero[r]), all, y);
        _mm512_mask_storeu_ps(c, last, mul_add(y * set(row_scales[r]), scale, bias));
    }
}

#endif
