/* The product of bf16 numbers for AVX-512 with BF16: one instruction multiplies 32 pairs of them
 * and adds these by twos. It has an order and a rounding of its own, and takes denormals for zeros:
 * this is the one kernel that is no other's equal, and only runs where it is asked for by name. */
#include "kernels.h"

#if !defined(__AVX512BF16__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "compile this file with the flags of ISA_avx512bf16 in the Makefile"
#endif
#include <immintrin.h>

/* Rows of a are rounded by blocks that stay in the first cache. */
enum { BLOCK = 256, BLOCK_ROWS = 48 };

typedef __m512 total;

typedef struct {
    float *c;
    int64_t ldc;
    bool add; /* to what earlier blocks left in c */
} operands;

#define DOT(sums, a, w) __asm__("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(a), "v"(w))

INLINE __mmask16 first(int64_t left)
{
    return (__mmask16)(left >= 16 ? 0xffff : (1 << EMB_MAX(left, 0)) - 1);
}

INLINE total start(const operands *o, int64_t row, int64_t column, __mmask16 last)
{
    return o->add ? _mm512_maskz_loadu_ps(last, o->c + row * o->ldc + column)
                  : _mm512_setzero_ps();
}

INLINE void finish(const operands *o, const int rows, int64_t row, int64_t column, __mmask16 last,
                   const total *sums, const int step)
{
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        _mm512_mask_storeu_ps(o->c + (row + r) * o->ldc + column, last, sums[r * step]);
}

#include "dot_avx512.h"

/* y[m][BLOCK] = x[m][n] to nearest even, with zeros up to an even number */
static void round_block(int64_t m, int64_t n, const float *x, int64_t ldx, uint16_t *y)
{
    for (int64_t row = 0; row < m; row++, x += ldx, y += BLOCK)
        for (int64_t i = 0; i < n; i += 32) {
            const __m512 low = _mm512_maskz_loadu_ps(first(n - i), x + i);
            const __m512 high = _mm512_maskz_loadu_ps(first(n - i - 16), x + i + 16);
            _mm512_storeu_si512(y + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
        }
}

void emb_gemm_bf16_pairs_avx512bf16(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                                    const uint16_t *w, float *c, int64_t ldc)
{
    const int64_t pairs = (k + 1) / 2, panel = pairs * 4 * EMB_PANEL;
    _Alignas(64) uint16_t rounded[BLOCK_ROWS * BLOCK];

    for (int64_t row = 0; row < m; row += BLOCK_ROWS)
        for (int64_t at = 0; at < k; at += BLOCK) {
            const int64_t rows = EMB_MIN(m - row, BLOCK_ROWS), size = EMB_MIN(k - at, BLOCK);
            const operands o = {c + row * ldc, ldc, at > 0};

            round_block(rows, size, a + row * lda + at, lda, rounded);
            dot_products(&o, rows, n, (size + 1) / 2, rounded, BLOCK * 2, w + at * EMB_PANEL,
                         panel);
        }
}
