/* What becomes of sixteen sums: shared by the int8 kernels of AVX-512. */
#ifndef EMB_INT8_AVX512_H
#define EMB_INT8_AVX512_H

#include <immintrin.h>

#include "kernels.h"

enum { WIDTH = 16 };
typedef __m512 vec;
typedef __m512i total;
typedef emb_int8_results operands;

INLINE vec set(float x) { return _mm512_set1_ps(x); }
INLINE __mmask16 first(int64_t left)
{
    return (__mmask16)(left >= 16 ? 0xffff : (1 << left) - 1);
}

/* sums: of a row, from a column on; last: the columns that there are */
INLINE void finish(const operands *o, int64_t row, int64_t column, __mmask16 last, total sums)
{
    const vec scale = set(o->row_scales[row]) * _mm512_loadu_ps(o->scales + column);
    vec y = _mm512_cvtepi32_ps(sums) * scale;
    if (o->bias) y = y + _mm512_maskz_loadu_ps(last, o->bias + column);
    _mm512_mask_storeu_ps(o->c + row * o->ldc + column, last, y);
}

#endif
