/* Products for AVX-512 by an instruction that multiplies neighbouring numbers of four bytes and
 * adds them to one sum: int8 by fours, bf16 by twos. Weights are panels [groups][16] of four bytes.
 * A file of kernels includes this once, after it has said
 *   total              sixteen sums
 *   DOT(sums, a, w)    sums += a * w, a the same four bytes in every lane
 *   operands           a struct: what these look at
 *   start(o, row, column, last)
 *                      the sums of sixteen columns before anything is added; last: those there are
 *   finish(o, rows, row, column, last, sums, step)
 *                      takes them to where results go: those of rows from row on are step apart */
#ifndef EMB_DOT_AVX512_H
#define EMB_DOT_AVX512_H

enum { PANELS = 3, ROWS = 8 /* of one tile, at most: registers hold their sums */ };

/* Neighbouring panels, and what to fetch while they are read: next moves on by step bytes with each
 * row of a panel. */
typedef struct {
    const operands *o;
    const char *a, *w;
    int64_t lda, ldw; /* bytes from a row, from a panel to the next one */
    int64_t groups;
    int64_t column;
    __mmask16 last; /* columns of the last panel */
    const char *next;
    int64_t step;
} block;

/* All sums of rows and panels of sixteen columns in registers */
INLINE void tile(const int rows, const int panels, const block *b, int64_t row)
{
    const char *a = b->a + row * b->lda, *w = b->w, *next = b->next;
    total sums[ROWS * PANELS];

#pragma GCC unroll 24
    for (int i = 0; i < rows * panels; i++)
        sums[i] = start(b->o, row + i / panels, b->column + i % panels * EMB_PANEL,
                        i % panels == panels - 1 ? b->last : 0xffff);
    for (int64_t k = b->groups; k > 0; k--, a += 4, w += 4 * EMB_PANEL, next += b->step) {
#pragma GCC unroll 3
        for (int j = 0; j < panels; j++) _mm_prefetch(next + j * b->ldw, _MM_HINT_T1);
#pragma GCC unroll 24
        for (int i = 0; i < rows * panels; i++) {
            int32_t group;
            memcpy(&group, a + i / panels * b->lda, 4);
            DOT(sums[i], _mm512_set1_epi32(group), _mm512_load_si512(w + i % panels * b->ldw));
        }
    }
#pragma GCC unroll 3
    for (int j = 0; j < panels; j++)
        finish(b->o, rows, row, b->column + j * EMB_PANEL, j == panels - 1 ? b->last : 0xffff, sums + j, panels);
}

INLINE void tile_rows(int64_t rows, const int panels, const block *b, int64_t row)
{
    switch (rows) {
    case 1: tile(1, panels, b, row); break;
    case 2: tile(2, panels, b, row); break;
    case 3: tile(3, panels, b, row); break;
    case 4: tile(4, panels, b, row); break;
    case 5: tile(5, panels, b, row); break;
    case 6: tile(6, panels, b, row); break;
    case 7: tile(7, panels, b, row); break;
    default: tile(8, panels, b, row); break;
    }
}

/* All rows by tiles of heights as equal as can be, which share out what is fetched. */
INLINE void panel_block(int64_t m, const int panels, block *b)
{
    const int64_t tiles = (m + ROWS - 1) / ROWS;
    const int64_t share = (4 * EMB_PANEL * b->groups / tiles + 63) / 64 * 64;

    b->step = share / b->groups;
    for (int64_t i = 0, row = 0, rows; i < tiles; i++, row += rows, b->next += share) {
        rows = (m - row) / (tiles - i);
        tile_rows(rows, panels, b, row);
    }
}

/* m rows of a (lda bytes apart) and n columns of panels (ldw bytes apart), groups of each */
static void dot_products(const operands *o, int64_t m, int64_t n, int64_t groups, const void *a,
                         int64_t lda, const void *w, int64_t ldw)
{
    if (m < 1) return;
    for (int64_t column = 0, left = (n + 15) / 16, panels; left > 0; left -= panels) {
        panels = left == 4 ? 2 : EMB_MIN(left, PANELS);
        const char *data = (const char *)w + column / EMB_PANEL * ldw;
        block b = {.o = o, .a = a, .w = data, .lda = lda, .ldw = ldw, .groups = groups,
                   .column = column, .last = first(n - column - (panels - 1) * EMB_PANEL),
                   .next = data + panels * ldw};

        switch (panels) {
        case 1: panel_block(m, 1, &b); break;
        case 2: panel_block(m, 2, &b); break;
        default: panel_block(m, 3, &b); break;
        }
        column += panels * EMB_PANEL;
    }
}

#endif
