/* What is added to the scores of a head: by the distance between two tokens (along a text, or
 * across a grid of patches), and in disentangled attention by what stands at either end of it
 * too. */
#include "nn.h"

/* BEiT: row[1 + height * width] of one query. */
static void grid_row(const emb_relative_positions *r, int64_t head, int64_t query, float *row)
{
    const int64_t across = 2 * r->width - 1, pairs = across * (2 * r->height - 1);
    const float *table = r->table + head * (pairs + 3);
    const int64_t y = (query - 1) / r->width, x = (query - 1) % r->width;

    if (query == 0) {
        row[0] = table[pairs + 2];
        for (int64_t i = 1; i <= r->height * r->width; i++)
            row[i] = table[pairs];
        return;
    }
    row[0] = table[pairs + 1];
    for (int64_t key = 0; key < r->height; key++)
        memcpy(row + 1 + key * r->width,
               table + (y - key + r->height - 1) * across + r->width - 1 - x,
               (size_t)r->width * sizeof *row);
}

/* MPNet: row[tokens]. */
static void distance_row(const emb_relative_positions *r, int64_t head, int64_t query,
                         int64_t tokens, float *row)
{
    const float *table = r->table + head * (2 * r->reach + 1) + r->reach;
    const int64_t first = EMB_MAX(query - r->reach, 0), end = EMB_MIN(query + r->reach + 1, tokens);

    for (int64_t key = 0; key < first; key++) row[key] = table[-r->reach];
    memcpy(row + first, table + first - query, (size_t)(end - first) * sizeof *row);
    for (int64_t key = end; key < tokens; key++) row[key] = table[r->reach];
}

/* ALiBi: row[tokens]. */
static void slope_row(const emb_relative_positions *r, int64_t head, int64_t query, int64_t tokens,
                      float *row)
{
    for (int64_t key = 0; key < tokens; key++)
        row[key] = -r->table[head] * (float)(key < query ? query - key : key - query);
}

/* ---- disentangled attention ------------------------------------------------------------------ */

/* The row of the tables that a query and the key so far before it read. */
static int64_t row_of(const emb_relative_positions *r, int64_t distance)
{
    return r->rows[r->reach + EMB_MAX(EMB_MIN(distance, r->reach), -r->reach)];
}

/* Rows that a text of so many tokens reads: from *first on, where a panel begins. */
static int64_t rows_read(const emb_relative_positions *r, int64_t tokens, int64_t *first)
{
    *first = row_of(r, 1 - tokens) / EMB_PANEL * EMB_PANEL;
    return row_of(r, tokens - 1) + 1 - *first;
}

static void disentangled_row(const emb_relative_head *h, int64_t query, int64_t first,
                             const float *by_query, float *row)
{
    const emb_relative_positions *r = h->relative;
    const emb_relative_scratch *s = &h->scratch;

    for (int64_t key = 0; key < h->tokens; key++) {
        const int64_t at = row_of(r, query - key) - first;
        const float to_position = r->keys ? by_query[at] : 0;

        row[key] = r->queries ? to_position + s->by_key[at * s->ld + key] : to_position;
    }
}

/* What the queries are to the positions of keys, then what the keys are to those of queries. */
static void disentangled_rows(const emb_relative_head *h, int64_t query, int64_t rows,
                              const float *q, int64_t ld)
{
    const emb_relative_positions *r = h->relative;
    const emb_relative_scratch *s = &h->scratch;
    int64_t first, count = rows_read(r, h->tokens, &first);

    if (r->keys)
        h->kernels->gemm_f32(rows, count, h->dim, q, ld,
                             r->keys + (h->head * r->table_rows + first) * h->dim, s->by_query,
                             s->span);
    for (int64_t i = 0; i < rows; i++)
        disentangled_row(h, query + i, first, s->by_query + i * s->span, s->added + i * s->ld);
}

/* ---- all of them ----------------------------------------------------------------------------- */

emb_relative_scratch emb_relative_plan(int64_t table_rows, int64_t block, int64_t tokens,
                                       emb_arena *arena)
{
    emb_relative_scratch s = {.ld = (tokens + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL,
                              .span = table_rows};
    const size_t row = (size_t)s.ld * sizeof(float);

    s.added = emb_arena_take(arena, (size_t)block, row);
    s.by_query = emb_arena_take(arena, (size_t)block, (size_t)s.span * sizeof(float));
    s.by_key = emb_arena_take(arena, (size_t)s.span, row);
    return s;
}

void emb_relative_start(const emb_relative_head *h, const float *keys)
{
    const emb_relative_positions *r = h->relative;
    int64_t first, count;

    if (r->kind != EMB_RELATIVE_DISENTANGLED || !r->queries)
        return;
    count = rows_read(r, h->tokens, &first);
    h->kernels->gemm_f32(count, h->tokens, h->dim, r->queries + first * r->ld + h->head * h->dim,
                         r->ld, keys, h->scratch.by_key, h->scratch.ld);
}

float emb_relative_add(const emb_relative_head *h, int64_t query, int64_t rows, const float *q,
                       int64_t ld, float scale, float *scores)
{
    const emb_relative_positions *r = h->relative;
    const emb_relative_scratch *s = &h->scratch;
    const bool before = r->kind == EMB_RELATIVE_DISENTANGLED;

    if (before)
        disentangled_rows(h, query, rows, q, ld);
    for (int64_t i = 0; i < rows && !before; i++) {
        float *row = s->added + i * s->ld;

        if (r->kind == EMB_RELATIVE_GRID) grid_row(r, h->head, query + i, row);
        else if (r->kind == EMB_RELATIVE_SLOPES) slope_row(r, h->head, query + i, h->tokens, row);
        else distance_row(r, h->head, query + i, h->tokens, row);
    }
    h->kernels->add_scores_f32(rows, h->tokens, scores, s->ld, before ? 1.0f : scale, s->added,
                               s->ld);
    return before ? scale : 1.0f;
}
