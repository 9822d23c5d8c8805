/* The int8 product for NEON with matrix products of bytes: one instruction multiplies two rows of
 * eight with two columns of eight. A row without another goes by dot products. */
#include "int8_neon.h"

#if !defined(__ARM_FEATURE_MATMUL_INT8)
#error "compile this file with the flags of ISA_neoni8mm in the Makefile"
#endif

enum { PAIRS = 3 };

/* Eight bytes of two rows; left: of them at the end of rows, or more */
INLINE uint8x16_t two_rows(const uint8_t *u, int64_t ld, int64_t left)
{
    uint64_t low = 0, high = 0;
    if (left >= 8) return vcombine_u8(vld1_u8(u), vld1_u8(u + ld));
    memcpy(&low, u, 4);
    memcpy(&high, u + ld, 4);
    return vcombine_u8(vcreate_u8(low), vcreate_u8(high));
}

/* sums[2 * pairs][16] of one panel: a vector holds two rows and two columns */
INLINE void tile(const int pairs, int64_t depth, const emb_rows_i8 *a, int64_t row,
                 const int8_t *panel, int32x4_t sums[PAIRS][2 * QUARTERS])
{
    const uint8_t *u = a->data + row * a->ld;

#pragma GCC unroll 3
    for (int p = 0; p < pairs; p++)
#pragma GCC unroll 8
        for (int j = 0; j < 2 * QUARTERS; j++) sums[p][j] = vdupq_n_s32(0);
    for (int64_t k = depth; k > 0; k -= 8, u += 8, panel += 8 * EMB_PANEL) {
        uint8x16_t x[PAIRS];
#pragma GCC unroll 3
        for (int p = 0; p < pairs; p++) x[p] = two_rows(u + 2 * p * a->ld, a->ld, k);
#pragma GCC unroll 4
        for (int j = 0; j < QUARTERS; j++) { /* fours of one column side by side */
            const int32x4_t v = vreinterpretq_s32_s8(vld1q_s8(panel + 16 * j));
            const int32x4_t w = k < 8 ? vdupq_n_s32(0)
                                      : vreinterpretq_s32_s8(vld1q_s8(panel + 16 * (j + QUARTERS)));
            const int8x16_t low = vreinterpretq_s8_s32(vzip1q_s32(v, w));
            const int8x16_t high = vreinterpretq_s8_s32(vzip2q_s32(v, w));
#pragma GCC unroll 3
            for (int p = 0; p < pairs; p++) {
                sums[p][2 * j] = vusmmlaq_s32(sums[p][2 * j], x[p], low);
                sums[p][2 * j + 1] = vusmmlaq_s32(sums[p][2 * j + 1], x[p], high);
            }
        }
    }
}

/* One of two rows, 0 or 1 */
INLINE void finish_row(const emb_int8_results *out, int64_t row, int which, int64_t column,
                       const int32x4_t both[2 * QUARTERS])
{
    int32x4_t sums[QUARTERS];
#pragma GCC unroll 4
    for (int j = 0; j < QUARTERS; j++) {
        const int64x2_t v = vreinterpretq_s64_s32(both[2 * j]);
        const int64x2_t w = vreinterpretq_s64_s32(both[2 * j + 1]);
        sums[j] = vreinterpretq_s32_s64(which ? vzip2q_s64(v, w) : vzip1q_s64(v, w));
    }
    finish(out, row + which, column, 0, sums);
}

void emb_gemm_i8_neoni8mm(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a,
                          const emb_panels_i8 *w, const float *bias, float *c, int64_t ldc)
{
    const emb_int8_results out = emb_results_of_i8(a, w, bias, c, n, ldc);
    const int64_t depth = emb_int8_depth(k), even = m / 2 * 2;
    const int64_t tiles = (m / 2 + PAIRS - 1) / PAIRS;

    for (int64_t column = 0; column < n && even; column += EMB_PANEL)
        for (int64_t i = 0, row = 0, pairs; i < tiles; i++, row += 2 * pairs) {
            const int8_t *panel = w->data + column * depth;
            int32x4_t sums[PAIRS][2 * QUARTERS];

            pairs = (even - row) / 2 / (tiles - i);
            switch (pairs) {
            case 1: tile(1, depth, a, row, panel, sums); break;
            case 2: tile(2, depth, a, row, panel, sums); break;
            default: tile(3, depth, a, row, panel, sums); break;
            }
            for (int64_t p = 0; p < pairs; p++) {
                finish_row(&out, row + 2 * p, 0, column, sums[p]);
                finish_row(&out, row + 2 * p, 1, column, sums[p]);
            }
        }
    if (m > even) {
        const emb_rows_i8 last = {a->data + even * a->ld, a->ld, a->scales + even, a->zeros + even};
        emb_gemm_i8_neondot(1, n, k, &last, w, bias, c + even * ldc, ldc);
    }
}
