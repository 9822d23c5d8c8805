/* The int8 kernels for AVX2: bytes are widened to 16 bits, the products of which are added by twos,
 * exactly. (The instruction that multiplies bytes saturates.) AVX-512 without VNNI uses these too.
 * */
#include "int8_avx2.h"

INLINE float fold_most(vec x)
{
    __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_max_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_max_ss(y, _mm_movehdup_ps(y)));
}
INLINE float fold_least(vec x) { return -fold_most(set(0.0f) - x); }
INLINE vec swapped(vec x, const int h)
{
    switch (h) {
    case 1: return _mm256_permute_ps(x, 0xb1);
    case 2: return _mm256_permute_ps(x, 0x4e);
    default: return _mm256_permute2f128_ps(x, x, 1);
    }
}
INLINE void store_bytes(void *u, int64_t left, vec x)
{
    const __m256i bytes = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0xff));
    __m128i y = _mm_packus_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    y = _mm_packus_epi16(y, y);
    memcpy(u, &y, (size_t)EMB_MIN(left, 8));
}
INLINE void store_shorts(void *q, int64_t left, vec x)
{
    const __m256i shorts = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0xffff));
    const __m128i y = _mm_packus_epi32(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256(shorts, 1));
    memcpy(q, &y, 2 * (size_t)EMB_MIN(left, 8));
}

#include "int8_rows.h"

EMB_ROWS_OF(avx2)

/* ---- products ------------------------------------------------------------------------------- */

enum { ROWS = 3 };

/* c[rows][columns <= 16] from one panel. A vector of sums holds two for each of four columns. */
INLINE void tile(const int rows, int64_t depth, const emb_rows_i8 *a, int64_t row,
                 const int8_t *panel, __m256i sums[ROWS][4])
{
    const uint8_t *u = a->data + row * a->ld;

#pragma GCC unroll 3
    for (int r = 0; r < rows; r++)
        sums[r][0] = sums[r][1] = sums[r][2] = sums[r][3] = _mm256_setzero_si256();
    for (int64_t k = 0; k < depth; k += 4, u += 4, panel += 4 * EMB_PANEL) {
        __m256i x[ROWS];
#pragma GCC unroll 3
        for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, u + r * a->ld, 4);
            x[r] = _mm256_cvtepu8_epi16(_mm_set1_epi32(four));
        }
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            const __m256i w = _mm256_cvtepi8_epi16(
                _mm_load_si128((const __m128i *)(const void *)(panel + j * EMB_PANEL)));
#pragma GCC unroll 3
            for (int r = 0; r < rows; r++)
                sums[r][j] = _mm256_add_epi32(sums[r][j], _mm256_madd_epi16(x[r], w));
        }
    }
}

void emb_gemm_i8_avx2(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a,
                      const emb_panels_i8 *w, const float *bias, float *c, int64_t ldc)
{
    const emb_int8_results out = emb_results_of_i8(a, w, bias, c, n, ldc);
    const int64_t depth = emb_int8_depth(k);

    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t row = 0, rows; row < m; row += rows) {
            const int8_t *panel = w->data + column * depth;
            __m256i sums[ROWS][4];

            rows = EMB_MIN(m - row, ROWS);
            switch (rows) {
            case 1: tile(1, depth, a, row, panel, sums); break;
            case 2: tile(2, depth, a, row, panel, sums); break;
            default: tile(3, depth, a, row, panel, sums); break;
            }
            for (int64_t r = 0; r < rows; r++) {
                const __m256i eights[2] = {join(sums[r][0], sums[r][1]),
                                           join(sums[r][2], sums[r][3])};
                finish(&out, row + r, column, eights);
            }
        }
}
