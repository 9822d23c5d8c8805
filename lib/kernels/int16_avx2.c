/* The product of whole numbers of 16 bits for AVX2: neighbouring products are added by twos, exactly.
 * AVX-512 without VNNI uses it too. */
#include "int8_avx2.h"

enum { ROWS = 6 };

/* sums[rows][16] of one panel, a row of which is two vectors of eight columns by twos */
INLINE void tile(const int rows, int64_t depth, const emb_rows_i16 *a, int64_t row, const int16_t *panel,
                 __m256i sums[ROWS][2])
{
    const int16_t *x = a->data + row * a->ld;

#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (int64_t k = depth; k > 0; k -= 2, x += 2, panel += 2 * EMB_PANEL) {
        const __m256i *w = (const __m256i *)(const void *)panel;
        const __m256i low = _mm256_load_si256(w), high = _mm256_load_si256(w + 1);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            int32_t two;
            memcpy(&two, x + r * a->ld, 4);
            const __m256i pair = _mm256_set1_epi32(two);
            sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(pair, low));
            sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(pair, high));
        }
    }
}

void emb_gemm_i16_avx2(int64_t m, int64_t n, int64_t k, const emb_rows_i16 *a, const emb_panels_i16 *w,
                       const float *bias, float *c, int64_t ldc)
{
    const emb_int8_results out = emb_results_of_i16(a, w, bias, c, n, ldc);
    const int64_t depth = emb_int16_depth(k), tiles = (m + ROWS - 1) / ROWS;

    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t i = 0, row = 0, rows; i < tiles; i++, row += rows) {
            const int16_t *panel = w->data + column * depth;
            __m256i sums[ROWS][2];

            rows = (m - row) / (tiles - i);
            switch (rows) {
            case 1: tile(1, depth, a, row, panel, sums); break;
            case 2: tile(2, depth, a, row, panel, sums); break;
            case 3: tile(3, depth, a, row, panel, sums); break;
            case 4: tile(4, depth, a, row, panel, sums); break;
            case 5: tile(5, depth, a, row, panel, sums); break;
            default: tile(6, depth, a, row, panel, sums); break;
            }
            for (int64_t r = 0; r < rows; r++) finish(&out, row + r, column, sums[r]);
        }
}
