/* Products panel by panel, in tiles of some rows and the sixteen columns of one panel, for instruction
 * sets whose registers hold no more. A file of kernels includes this once, after INLINE, and defines
 *   ROWS           of a tile at most, up to 6: those whose sums registers hold
 *   tile           as declared here
 *   widen_f16, widen_bf16
 *                  of kernels.h; 64-byte aligned */
#ifndef EMB_PANEL_H
#define EMB_PANEL_H

#include "kernels.h"

enum { AHEAD = 256 }; /* rows of a panel between what is read and what is fetched */

/* One block of k of one panel, and what to fetch meanwhile: the weights AHEAD rows further
 * on. The tiles of a block share them out: next moves on by step bytes with each row of the
 * panel. */
typedef struct {
    const float *w;
    int64_t k;
    bool add; /* to what earlier blocks left in c */
    const char *next;
    int64_t step;
} block;

/* c[rows][16] (+)= a[rows][k] x w[k][16], sums in registers */
INLINE void tile(const int rows, const block *b, const float *a, int64_t lda, float *c,
                 int64_t ldc);
static void widen_f16(int64_t n, const void *x, float *y);
static void widen_bf16(int64_t n, const void *x, float *y);

static void tile_rows(int64_t rows, const block *b, const float *a, int64_t lda, float *c,
                      int64_t ldc)
{
    switch (rows) {
#define CASE(rows)                                      \
    case rows:                                          \
        if (rows <= ROWS) tile(rows, b, a, lda, c, ldc); \
        break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#undef CASE
    }
}

/* The same for the last panel: its spare columns stay inside a copy. */
static void tile_columns(int64_t rows, int64_t columns, const block *b, const float *a, int64_t lda,
                         float *c, int64_t ldc)
{
    float copy[ROWS * EMB_PANEL] = {0};
    const size_t size = (size_t)columns * sizeof *c;

    for (int64_t i = 0; b->add && i < rows; i++)
        memcpy(copy + i * EMB_PANEL, c + i * ldc, size);
    tile_rows(rows, b, a, lda, copy, EMB_PANEL);
    for (int64_t i = 0; i < rows; i++)
        memcpy(c + i * ldc, copy + i * EMB_PANEL, size);
}

/* c[m][columns] (+)= a[m][k] x w[k][16] by tiles of heights as equal as can be; size: bytes to be
 * fetched */
static void panel_block(int64_t m, int64_t columns, block *b, int64_t size, const float *a,
                        int64_t lda, float *c, int64_t ldc)
{
    const int64_t tiles = (m + ROWS - 1) / ROWS, share = size / tiles;
    const char *ahead = b->next;

    b->step = share / b->k;
    for (int64_t i = 0, row = 0, rows; i < tiles; i++, row += rows) {
        rows = (m - row) / (tiles - i);
        b->next = ahead + i * share;
        if (columns == EMB_PANEL)
            tile_rows(rows, b, a + row * lda, lda, c + row * ldc, ldc);
        else
            tile_columns(rows, columns, b, a + row * lda, lda, c + row * ldc, ldc);
    }
}

typedef void widen_fn(int64_t n, const void *x, float *y);

/* The products of all kinds of weights. Those of 16 bits are widened block by block: all tiles of a
 * block share that. */
INLINE void gemm(widen_fn *const widen, int64_t m, int64_t n, int64_t k, const float *a,
                 int64_t lda, const void *weights, float *c, int64_t ldc)
{
    const int64_t length = emb_k_block(k), row = EMB_PANEL * (widen ? 2 : 4);
    const char *w = weights;
    _Alignas(64) float wide[EMB_K_BLOCK_MAX * EMB_PANEL];

    if (m < 1) return;
    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t start = 0; start < k; start += length) {
            block b = {.w = widen ? wide : (const float *)(const void *)w,
                       .k = EMB_MIN(k - start, length), .add = start > 0, .next = w + AHEAD * row};
            if (widen) widen(b.k * EMB_PANEL, w, wide);
            panel_block(m, EMB_MIN(n - column, EMB_PANEL), &b, b.k * row, a + start, lda,
                        c + column, ldc);
            w += b.k * row;
        }
}

static void gemm_f32(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *w,
                     float *c, int64_t ldc)
{
    gemm(NULL, m, n, k, a, lda, w, c, ldc);
}

static void gemm_f16(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                     const uint16_t *w, float *c, int64_t ldc)
{
    gemm(widen_f16, m, n, k, a, lda, w, c, ldc);
}

static void gemm_bf16(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                      const uint16_t *w, float *c, int64_t ldc)
{
    gemm(widen_bf16, m, n, k, a, lda, w, c, ldc);
}

#endif
