/* The int8 kernels for AVX-512 with VNNI: one instruction multiplies 64 pairs of bytes and adds them
 * by fours, in 32 bits that wrap but never saturate. */
#include "int8.h"
#include "kernels.h"

#if !defined(__AVX512VNNI__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "compile this file with the flags of ISA_avx512vnni in the Makefile"
#endif
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { WIDTH = 16 };
typedef __m512 vec;

INLINE vec set(float x) { return _mm512_set1_ps(x); }
INLINE vec mul_add(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vec least(vec a, vec b) { return _mm512_min_ps(a, b); }
INLINE vec most(vec a, vec b) { return _mm512_max_ps(a, b); }
INLINE vec where_less(vec a, vec b, vec x, vec y)
{
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x);
}
INLINE __mmask16 first(int64_t left)
{
    return (__mmask16)(left >= 16 ? 0xffff : (1 << left) - 1);
}
INLINE vec load(const float *p, int64_t left) { return _mm512_maskz_loadu_ps(first(left), p); }
INLINE void store(float *p, int64_t left, vec x) { _mm512_mask_storeu_ps(p, first(left), x); }
INLINE float fold_least(vec x) { return _mm512_reduce_min_ps(x); }
INLINE float fold_most(vec x) { return _mm512_reduce_max_ps(x); }
INLINE void store_bytes(void *u, int64_t left, vec x)
{
    _mm_mask_storeu_epi8(u, first(left), _mm512_cvtepi32_epi8(_mm512_castps_si512(x)));
}

#include "int8_rows.h"

/* ---- products ------------------------------------------------------------------------------- */

enum { PANELS = 3, ROWS = 12, SUMS = 24 /* at most, of one tile: the registers that hold them */ };

/* Neighbouring panels, and what to fetch while they are read: next moves on by step bytes with each
 * four rows of a panel. */
typedef struct {
    const int8_t *w;
    int64_t ldw;    /* bytes from a panel to the next one */
    int64_t fours;  /* depth / 4 */
    __mmask16 last; /* columns of the last panel */
    const float *scales, *bias;
    const int32_t *sums;
    const char *next;
    int64_t step;
} block;

/* sums += the products of bytes u and w, by fours. Around the intrinsic gcc 12 copies every sum twice,
 * which takes as long again. */
#define DOT(sums, u, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(u), "v"(w))

/* c[rows][panels * 16] = the product with rows first .. first + rows - 1 of a, sums in registers */
INLINE void tile(const int rows, const int panels, const block *b, const emb_rows_i8 *a,
                 int64_t row, float *c, int64_t ldc)
{
    const uint8_t *u = a->data + row * a->ld;
    const int8_t *w = b->w;
    const char *next = b->next;
    __m512i sums[SUMS];

#pragma GCC unroll 24
    for (int i = 0; i < rows * panels; i++) { /* what the zeros in the bytes of a will add */
        const __m512i zero = _mm512_set1_epi32(-a->zeros[row + i / panels]);
        sums[i] = _mm512_mullo_epi32(zero, _mm512_loadu_si512(b->sums + i % panels * EMB_PANEL));
    }
    for (int64_t k = b->fours; k > 0; k--, u += 4, w += 4 * EMB_PANEL, next += b->step) {
#pragma GCC unroll 3
        for (int j = 0; j < panels; j++) _mm_prefetch(next + j * b->ldw, _MM_HINT_T1);
#pragma GCC unroll 24
        for (int i = 0; i < rows * panels; i++) {
            int32_t four;
            memcpy(&four, u + i / panels * a->ld, 4);
            DOT(sums[i], _mm512_set1_epi32(four), _mm512_load_si512(w + i % panels * b->ldw));
        }
    }
#pragma GCC unroll 24
    for (int i = 0; i < rows * panels; i++) {
        const __mmask16 mask = i % panels == panels - 1 ? b->last : 0xffff;
        const int64_t column = i % panels * EMB_PANEL;
        const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(a->scales[row + i / panels]),
                                           _mm512_loadu_ps(b->scales + column));
        __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[i]), scale);
        if (b->bias) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(mask, b->bias + column));
        _mm512_mask_storeu_ps(c + i / panels * ldc + column, mask, y);
    }
}

INLINE void tile_rows(int64_t rows, const int panels, const block *b, const emb_rows_i8 *a,
                      int64_t row, float *c, int64_t ldc)
{
    switch (rows) {
#define CASE(rows) \
    case rows: \
        if (rows * panels <= SUMS) tile(rows, panels, b, a, row, c, ldc); \
        break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
    CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#undef CASE
    }
}

/* All rows by tiles of heights as equal as can be, which share out what is fetched. */
INLINE void panel_block(int64_t m, const int panels, block *b, const emb_rows_i8 *a, float *c,
                        int64_t ldc)
{
    const int64_t most = EMB_MIN(ROWS, SUMS / panels), tiles = (m + most - 1) / most;
    const int64_t share = (b->ldw / tiles + 63) / 64 * 64;

    b->step = share / b->fours;
    for (int64_t i = 0, row = 0, rows; i < tiles; i++, row += rows, b->next += share) {
        rows = (m - row) / (tiles - i);
        tile_rows(rows, panels, b, a, row, c + row * ldc, ldc);
    }
}

void emb_gemm_i8_avx512vnni(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a,
                            const emb_panels_i8 *w, const float *bias, float *c, int64_t ldc)
{
    const int64_t depth = emb_int8_depth(k), panel = depth * EMB_PANEL;

    if (m < 1) return;
    for (int64_t column = 0, left = (n + 15) / 16, panels; left > 0; left -= panels) {
        panels = left == 4 ? 2 : EMB_MIN(left, PANELS);
        const int8_t *data = w->data + column * depth;
        block b = {.w = data, .ldw = panel, .fours = depth / 4,
                   .last = first(n - column - (panels - 1) * EMB_PANEL),
                   .scales = w->scales + column, .sums = w->sums + column,
                   .bias = bias ? bias + column : NULL,
                   .next = (const char *)(data + panels * panel)};

        switch (panels) {
        case 1: panel_block(m, 1, &b, a, c + column, ldc); break;
        case 2: panel_block(m, 2, &b, a, c + column, ldc); break;
        default: panel_block(m, 3, &b, a, c + column, ldc); break;
        }
        column += panels * EMB_PANEL;
    }
}

void emb_quantize_rows_avx512vnni(int64_t m, int64_t k, const float *x, int64_t ldx,
                                  const float *factors, float *row, const emb_rows_i8 *out)
{
    quantize_rows(m, k, x, ldx, factors, row, out);
}

void emb_pack_rows_i8_avx512vnni(int64_t n, int64_t k, const float *b, int64_t ldb,
                                 const float *factors, float *row, const emb_panels_i8 *w)
{
    pack_rows_i8(n, k, b, ldb, factors, row, w);
}
