/* The product of whole numbers of 16 bits for NEON: products in 32 bits are added as they come. */
#include "int8_neon.h"

enum { ROWS = 2 };

/* sums[rows][16] of one panel. A vector of sums holds two for each of two columns. */
INLINE void tile(const int rows, int64_t depth, const emb_rows_i16 *a, int64_t row, const int16_t *panel,
                 int32x4_t sums[ROWS][EIGHTHS])
{
    const int16_t *x = a->data + row * a->ld;

#pragma GCC unroll 2
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int j = 0; j < EIGHTHS; j++) sums[r][j] = vdupq_n_s32(0);
    for (int64_t k = depth; k > 0; k -= 2, x += 2, panel += 2 * EMB_PANEL) {
        int16x8_t pair[ROWS];
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) {
            uint32_t two;
            memcpy(&two, x + r * a->ld, 4);
            pair[r] = vreinterpretq_s16_u32(vdupq_n_u32(two));
        }
#pragma GCC unroll 4
        for (int j = 0; j < QUARTERS; j++) {
            const int16x8_t w = vld1q_s16(panel + 8 * j);
#pragma GCC unroll 2
            for (int r = 0; r < rows; r++) {
                sums[r][2 * j] = vmlal_s16(sums[r][2 * j], vget_low_s16(pair[r]), vget_low_s16(w));
                sums[r][2 * j + 1] = vmlal_high_s16(sums[r][2 * j + 1], pair[r], w);
            }
        }
    }
}

void emb_gemm_i16_neon(int64_t m, int64_t n, int64_t k, const emb_rows_i16 *a, const emb_panels_i16 *w,
                       const float *bias, float *c, int64_t ldc)
{
    const emb_int8_results out = emb_results_of_i16(a, w, bias, c, n, ldc);
    const int64_t depth = emb_int16_depth(k);

    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t row = 0; row < m; row += ROWS) {
            const int64_t rows = EMB_MIN(m - row, ROWS);
            const int16_t *panel = w->data + column * depth;
            int32x4_t twos[ROWS][EIGHTHS];

            if (rows == ROWS) tile(ROWS, depth, a, row, panel, twos);
            else tile(1, depth, a, row, panel, twos);
            finish_twos(&out, row, rows, column, 0, twos);
        }
}
