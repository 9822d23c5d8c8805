/* The int8 product for AVX2 with VNNI (CPUs without AVX-512): one instruction multiplies 32 pairs
 * of bytes and adds them by fours, in 32 bits that wrap but never saturate. */
#include "int8_avx2.h"

#if !defined(__AVXVNNI__)
#error "compile this file with the flags of ISA_avx2vnni in the Makefile"
#endif

enum { ROWS = 6, AHEAD = 2048 /* bytes of a panel between what is read and what is fetched */ };

/* sums += the products of bytes u and w, by fours. Around the intrinsic gcc 12 copies every sum. */
#define DOT(sums, u, w) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(u), "x"(w))

/* sums[rows][16] of one panel */
INLINE void tile(const int rows, int64_t depth, const emb_rows_i8 *a, int64_t row,
                 const int8_t *panel, __m256i sums[ROWS][2])
{
    const uint8_t *u = a->data + row * a->ld;

#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (int64_t k = depth; k > 0; k -= 4, u += 4, panel += 4 * EMB_PANEL) {
        const __m256i *w = (const __m256i *)(const void *)panel;
        const __m256i low = _mm256_load_si256(w), high = _mm256_load_si256(w + 1);
        _mm_prefetch((const char *)panel + AHEAD, _MM_HINT_T0);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, u + r * a->ld, 4);
            const __m256i x = _mm256_set1_epi32(four);
            DOT(sums[r][0], x, low);
            DOT(sums[r][1], x, high);
        }
    }
}

static void tile_rows(int64_t rows, int64_t depth, const emb_rows_i8 *a, int64_t row,
                      const int8_t *panel, __m256i sums[ROWS][2])
{
    switch (rows) {
    case 1: tile(1, depth, a, row, panel, sums); break;
    case 2: tile(2, depth, a, row, panel, sums); break;
    case 3: tile(3, depth, a, row, panel, sums); break;
    case 4: tile(4, depth, a, row, panel, sums); break;
    case 5: tile(5, depth, a, row, panel, sums); break;
    default: tile(6, depth, a, row, panel, sums); break;
    }
}

void emb_gemm_i8_avx2vnni(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a,
                          const emb_panels_i8 *w, const float *bias, float *c, int64_t ldc)
{
    const emb_int8_results out = emb_results_of_i8(a, w, bias, c, n, ldc);
    const int64_t depth = emb_int8_depth(k), tiles = (m + ROWS - 1) / ROWS;

    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t i = 0, row = 0, rows; i < tiles; i++, row += rows) {
            __m256i sums[ROWS][2];

            rows = (m - row) / (tiles - i);
            tile_rows(rows, depth, a, row, w->data + column * depth, sums);
            for (int64_t r = 0; r < rows; r++) finish(&out, row + r, column, sums[r]);
        }
}
