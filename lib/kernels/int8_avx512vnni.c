/* The int8 kernels for AVX-512 with VNNI: one instruction multiplies 64 pairs of bytes and adds
 * them by fours, in 32 bits that wrap but never saturate. */
#include "int8.h"
#include "kernels.h"

#if !defined(__AVX512VNNI__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "compile this file with the flags of ISA_avx512vnni in the Makefile"
#endif
#include <immintrin.h>

#include "int8_avx512.h"

INLINE vec least(vec a, vec b) { return _mm512_min_ps(a, b); }
INLINE vec most(vec a, vec b) { return _mm512_max_ps(a, b); }
INLINE vec where_less(vec a, vec b, vec x, vec y)
{
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x);
}
INLINE vec load(const float *p, int64_t left) { return left >= 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(first(left), p); }
INLINE void store(float *p, int64_t left, vec x) { if (left >= 16) _mm512_storeu_ps(p, x); else _mm512_mask_storeu_ps(p, first(left), x); }
INLINE float fold_least(vec x) { return _mm512_reduce_min_ps(x); }
INLINE float fold_most(vec x) { return _mm512_reduce_max_ps(x); }
INLINE vec swapped(vec x, const int h)
{
    switch (h) {
    case 1: return _mm512_permute_ps(x, 0xb1);
    case 2: return _mm512_permute_ps(x, 0x4e);
    case 4: return _mm512_shuffle_f32x4(x, x, 0xb1);
    default: return _mm512_shuffle_f32x4(x, x, 0x4e);
    }
}
INLINE void store_bytes(void *u, int64_t left, vec x)
{
    if (left >= 16) _mm_storeu_si128(u, _mm512_cvtepi32_epi8(_mm512_castps_si512(x))); else _mm_mask_storeu_epi8(u, first(left), _mm512_cvtepi32_epi8(_mm512_castps_si512(x)));
}
INLINE void store_shorts(void *q, int64_t left, vec x)
{
    _mm256_mask_storeu_epi16(q, first(left), _mm512_cvtepi32_epi16(_mm512_castps_si512(x)));
}

#include "int8_rows.h"

EMB_ROWS_OF(avx512vnni)

/* ---- products ------------------------------------------------------------------------------- */

/* Around the intrinsic gcc 12 copies every sum twice, which takes as long again. */
#define DOT(sums, u, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(u), "v"(w))

/* What comes of EMB_INT8_MIDDLE, which is in no byte yet */
INLINE total start(const operands *o, int64_t row, int64_t column, __mmask16 last)
{
    (void)row, (void)last;
    const total sums = _mm512_loadu_si512(o->sums + column);
    return _mm512_mullo_epi32(sums, _mm512_set1_epi32(-EMB_INT8_MIDDLE));
}

INLINE void finish(const operands *o, const int rows, int64_t row, int64_t column, __mmask16 last,
                   const total *sums, const int step)
{
    finish_rows(true, o, rows, row, column, last, sums, step);
}

#include "dot_avx512.h"

void emb_gemm_i8_avx512vnni(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a,
                            const emb_panels_i8 *w, const float *bias, float *c, int64_t ldc)
{
    const operands o = emb_results_of_i8(a, w, bias, c, n, ldc);
    const int64_t depth = emb_int8_depth(k);

    dot_products(&o, m, n, depth / 4, a->data, a->ld, w->data, depth * EMB_PANEL);
}
