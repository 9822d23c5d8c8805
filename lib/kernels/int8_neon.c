/* The int8 kernels for NEON. Bytes of activations less 128 have a sign, as weights have, and two
 * products of such bytes fit into 16 bits: at most 2 * 128 * 127. They are added by twos in 32
 * bits. */
#include "int8_neon.h"

INLINE float fold_least(vec x) { return vminvq_f32(x); }
INLINE float fold_most(vec x) { return vmaxvq_f32(x); }
INLINE vec swapped(vec x, const int h) { return h == 1 ? vrev64q_f32(x) : vextq_f32(x, x, 2); }
INLINE void store_bytes(void *u, int64_t left, vec x)
{
    const uint16x4_t low = vmovn_u32(vreinterpretq_u32_f32(x));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(low, low));
    memcpy(u, &bytes, left >= 4 ? 4 : (size_t)left);
}
INLINE void store_shorts(void *q, int64_t left, vec x)
{
    const uint16x4_t shorts = vmovn_u32(vreinterpretq_u32_f32(x));
    memcpy(q, &shorts, 2 * (size_t)EMB_MIN(left, 4));
}

#include "int8_rows.h"

EMB_ROWS_OF(neon)

/* ---- products ------------------------------------------------------------------------------- */

enum { ROWS = 2 };

INLINE int8x16_t signed_four(const uint8_t *u)
{
    return vreinterpretq_s8_u8(veorq_u8(four_of(u), vdupq_n_u8(EMB_INT8_MIDDLE)));
}

/* sums[rows][16] of one panel. A vector of sums holds two for each of two columns. */
INLINE void tile(const int rows, int64_t depth, const emb_rows_i8 *a, int64_t row,
                 const int8_t *panel, int32x4_t sums[ROWS][EIGHTHS])
{
    const uint8_t *u = a->data + row * a->ld;
    int64_t k = depth;

#pragma GCC unroll 2
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int j = 0; j < EIGHTHS; j++) sums[r][j] = vdupq_n_s32(0);
    for (; k >= 8; k -= 8, u += 8, panel += 8 * EMB_PANEL) {
        int8x16_t x[ROWS], y[ROWS];
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) {
            x[r] = signed_four(u + r * a->ld);
            y[r] = signed_four(u + r * a->ld + 4);
        }
#pragma GCC unroll 4
        for (int j = 0; j < QUARTERS; j++) {
            const int8x16_t v = vld1q_s8(panel + 16 * j), w = vld1q_s8(panel + 16 * (j + QUARTERS));
#pragma GCC unroll 2
            for (int r = 0; r < rows; r++) {
                int16x8_t low = vmull_s8(vget_low_s8(x[r]), vget_low_s8(v));
                int16x8_t high = vmull_high_s8(x[r], v);
                low = vmlal_s8(low, vget_low_s8(y[r]), vget_low_s8(w));
                high = vmlal_high_s8(high, y[r], w);
                sums[r][2 * j] = vpadalq_s16(sums[r][2 * j], low);
                sums[r][2 * j + 1] = vpadalq_s16(sums[r][2 * j + 1], high);
            }
        }
    }
    for (int j = 0; k > 0 && j < QUARTERS; j++)
        for (int r = 0; r < rows; r++) {
            const int8x16_t x = signed_four(u + r * a->ld), w = vld1q_s8(panel + 16 * j);
            const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
            sums[r][2 * j] = vpadalq_s16(sums[r][2 * j], low);
            sums[r][2 * j + 1] = vpadalq_s16(sums[r][2 * j + 1], vmull_high_s8(x, w));
        }
}

void emb_gemm_i8_neon(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a,
                      const emb_panels_i8 *w, const float *bias, float *c, int64_t ldc)
{
    const emb_int8_results out = emb_results_of_i8(a, w, bias, c, n, ldc);
    const int64_t depth = emb_int8_depth(k);

    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t row = 0; row < m; row += ROWS) {
            const int64_t rows = EMB_MIN(m - row, ROWS);
            const int8_t *panel = w->data + column * depth;
            int32x4_t twos[ROWS][EIGHTHS];

            if (rows == ROWS) tile(ROWS, depth, a, row, panel, twos);
            else tile(1, depth, a, row, panel, twos);
            finish_twos(&out, row, rows, column, EMB_INT8_MIDDLE, twos);
        }
}
