/* The int8 product for NEON with dot products: one instruction multiplies 16 pairs of signed bytes
 * and adds them by fours. Bytes of activations are taken less 128. */
#include "int8_neon.h"

#if !defined(__ARM_FEATURE_DOTPROD)
#error "compile this file with the flags of ISA_neondot in the Makefile"
#endif

enum { ROWS = 5 };

/* sums[rows][16] of one panel */
INLINE void tile(const int rows, int64_t depth, const emb_rows_i8 *a, int64_t row,
                 const int8_t *panel, int32x4_t sums[ROWS][QUARTERS])
{
    const uint8_t *u = a->data + row * a->ld;

#pragma GCC unroll 5
    for (int r = 0; r < rows; r++)
        sums[r][0] = sums[r][1] = sums[r][2] = sums[r][3] = vdupq_n_s32(0);
    for (int64_t k = 0; k < depth; k += 4, u += 4, panel += 4 * EMB_PANEL) {
        int8x16_t w[QUARTERS];
#pragma GCC unroll 4
        for (int j = 0; j < QUARTERS; j++) w[j] = vld1q_s8(panel + 16 * j);
#pragma GCC unroll 5
        for (int r = 0; r < rows; r++) {
            const uint8x16_t four = veorq_u8(four_of(u + r * a->ld), vdupq_n_u8(EMB_INT8_MIDDLE));
#pragma GCC unroll 4
            for (int j = 0; j < QUARTERS; j++)
                sums[r][j] = vdotq_s32(sums[r][j], w[j], vreinterpretq_s8_u8(four));
        }
    }
}

static void tile_rows(int64_t rows, int64_t depth, const emb_rows_i8 *a, int64_t row,
                      const int8_t *panel, int32x4_t sums[ROWS][QUARTERS])
{
    switch (rows) {
    case 1: tile(1, depth, a, row, panel, sums); break;
    case 2: tile(2, depth, a, row, panel, sums); break;
    case 3: tile(3, depth, a, row, panel, sums); break;
    case 4: tile(4, depth, a, row, panel, sums); break;
    default: tile(5, depth, a, row, panel, sums); break;
    }
}

void emb_gemm_i8_neondot(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a,
                         const emb_panels_i8 *w, const float *bias, float *c, int64_t ldc)
{
    const emb_int8_results out = emb_results_of_i8(a, w, bias, c, n, ldc);
    const int64_t depth = emb_int8_depth(k), tiles = (m + ROWS - 1) / ROWS;

    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t i = 0, row = 0, rows; i < tiles; i++, row += rows) {
            int32x4_t sums[ROWS][QUARTERS];

            rows = (m - row) / (tiles - i);
            tile_rows(rows, depth, a, row, w->data + column * depth, sums);
            for (int64_t r = 0; r < rows; r++) finish(&out, row + r, column, EMB_INT8_MIDDLE, sums[r]);
        }
}
