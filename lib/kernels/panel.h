/* Products panel by panel, in tiles of some rows and the sixteen columns of one panel, for
 * instruction sets whose registers hold no more. A file of kernels includes this once, after it has
 * said what a vector is (vec, WIDTH) and
 *   ROWS                   of a tile at most, up to 6: those whose sums registers hold
 *   from_f32(p), from_f16(p), from_bf16(p)
 *                          WIDTH weights stored as that, widened exactly
 * and then defines tile, as declared here. */
#ifndef EMB_PANEL_H
#define EMB_PANEL_H

#include "kernels.h"

enum {
    AHEAD = 256,     /* rows of a panel between what is read and what is fetched */
    BATCH = 2 * ROWS /* rows of a product from which on widened weights are worth keeping */
};

typedef vec widen_fn(const void *x);

/* One block of k of one panel, and what to fetch meanwhile: the weights AHEAD rows further
 * on. The tiles of a block share them out: next moves on by step bytes with each row of the
 * panel. */
typedef struct {
    const char *w;
    int64_t k;
    bool add; /* to what earlier blocks left in c */
    const char *next;
    int64_t step;
} block;

/* Bytes of sixteen weights */
INLINE int64_t row_of(widen_fn *const from) { return EMB_PANEL * (from == from_f32 ? 4 : 2); }

/* c[rows][16] (+)= a[rows][k] x w[k][16], sums in registers */
INLINE void tile(const int rows, widen_fn *const from, const block *b, const float *a, int64_t lda,
                 float *c, int64_t ldc);

INLINE void tile_rows(int64_t rows, widen_fn *const from, const block *b, const float *a,
                      int64_t lda, float *c, int64_t ldc)
{
    switch (rows) {
#define CASE(rows)                                             \
    case rows:                                                 \
        if (rows <= ROWS) tile(rows, from, b, a, lda, c, ldc); \
        break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#undef CASE
    }
}

/* c[m][columns] (+)= a[m][k] x w[k][16] by tiles of heights as equal as can be; size: bytes to be
 * fetched. The spare columns of the last panel stay inside a copy. */
INLINE void panel_block(int64_t m, int64_t columns, widen_fn *const from, block *b, int64_t size,
                        const float *a, int64_t lda, float *c, int64_t ldc)
{
    const int64_t tiles = (m + ROWS - 1) / ROWS, share = size / tiles;
    const size_t row_bytes = (size_t)columns * sizeof *c;
    const bool whole = columns == EMB_PANEL;
    float copy[ROWS * EMB_PANEL];

    if (!whole) memset(copy, 0, sizeof copy);
    b->step = share / b->k;
    for (int64_t i = 0, row = 0, rows; i < tiles; i++, row += rows, b->next += share) {
        float *y = c + row * ldc;

        rows = (m - row) / (tiles - i);
        for (int64_t r = 0; !whole && b->add && r < rows; r++)
            memcpy(copy + r * EMB_PANEL, y + r * ldc, row_bytes);
        tile_rows(rows, from, b, a + row * lda, lda, whole ? y : copy, whole ? ldc : EMB_PANEL);
        for (int64_t r = 0; !whole && r < rows; r++)
            memcpy(y + r * ldc, copy + r * EMB_PANEL, row_bytes);
    }
}

static void panel_block_f32(int64_t m, int64_t columns, block *b, int64_t size, const float *a,
                            int64_t lda, float *c, int64_t ldc)
{
    panel_block(m, columns, from_f32, b, size, a, lda, c, ldc);
}

/* The products of all kinds of weights. Those of 16 bits are widened as they are used, or by whole
 * blocks where enough tiles share them. */
INLINE void gemm(widen_fn *const from, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                 const void *weights, float *c, int64_t ldc)
{
    const int64_t length = emb_k_block(k), row = row_of(from);
    const char *w = weights;
    _Alignas(64) float wide[EMB_K_BLOCK_MAX * EMB_PANEL];

    if (m < 1) return;
    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t start = 0; start < k; start += length) {
            const int64_t columns = EMB_MIN(n - column, EMB_PANEL);
            const int64_t size = EMB_MIN(k - start, length);
            block b = {.w = w, .k = size, .add = start > 0, .next = w + AHEAD * row};

            if (from != from_f32 && m > BATCH) {
                for (int64_t i = 0; i < size * EMB_PANEL; i += WIDTH)
                    store(wide + i, WIDTH, from(w + 2 * i));
                b.w = (const char *)wide;
            }
            if (from == from_f32 || m > BATCH)
                panel_block_f32(m, columns, &b, size * row, a + start, lda, c + column, ldc);
            else panel_block(m, columns, from, &b, size * row, a + start, lda, c + column, ldc);
            w += size * row;
        }
}

static void gemm_f32(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *w,
                     float *c, int64_t ldc)
{
    gemm(from_f32, m, n, k, a, lda, w, c, ldc);
}

static void gemm_f16(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                     const uint16_t *w, float *c, int64_t ldc)
{
    gemm(from_f16, m, n, k, a, lda, w, c, ldc);
}

static void gemm_bf16(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                      const uint16_t *w, float *c, int64_t ldc)
{
    gemm(from_bf16, m, n, k, a, lda, w, c, ldc);
}

/* Numbers of 16 bits to floats; nothing behind the last is read. */
INLINE void widen(widen_fn *const from, int64_t n, const void *x, float *y)
{
    const char *p = x;
    for (; n >= WIDTH; n -= WIDTH, p += 2 * WIDTH, y += WIDTH) store(y, WIDTH, from(p));
    if (n > 0) {
        uint16_t rest[WIDTH] = {0};
        memcpy(rest, p, (size_t)n * 2);
        store(y, n, from(rest));
    }
}

static void widen_f16(int64_t n, const void *x, float *y) { widen(from_f16, n, x, y); }
static void widen_bf16(int64_t n, const void *x, float *y) { widen(from_bf16, n, x, y); }

#endif
