/* softmax(scale Q K^T) V for each sequence and head of a packed batch. Keys and values of a head
 * are packed into panels once; blocks of queries then take whole rows of scores through softmax
 * and the values. */
#include "nn.h"

#include <stdatomic.h>

enum {
    QUERIES = 48, /* rows of one block of scores */
    ITEMS = 4     /* a thread: with fewer heads than that, their queries are cut */
};

typedef struct {
    float *keys;   /* panels [tokens / 16][head_dim][16] */
    float *values; /* panels [head_dim / 16][tokens][16] */
    float *scores; /* [QUERIES][lds] */
    float *added;  /* [QUERIES][lds]: relative positions */
    float *sums;   /* [QUERIES] */
    int64_t lds;
} scratch_parts;

typedef struct {
    const emb_device *device;
    const emb_attention *attention;
    const emb_relative_positions *relative;
    const int64_t *starts;
    const float *q, *k, *v;
    int64_t ld;
    float *context;
    int64_t ldc;
    char *scratch;
    size_t scratch_per_thread;
    int64_t items, cuts; /* items = sequences * heads * cuts: query ranges of one head */
    _Atomic int64_t next;
} job;

static int64_t whole_panels(int64_t n)
{
    return (n + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;
}

static scratch_parts take_scratch(const emb_attention *a, int64_t tokens, emb_arena *arena)
{
    const size_t size = sizeof(float), keys = (size_t)whole_panels(tokens);
    scratch_parts s = {.lds = (int64_t)keys};

    s.keys = emb_arena_take(arena, keys, (size_t)a->head_dim * size);
    s.values = emb_arena_take(arena, (size_t)tokens, (size_t)whole_panels(a->head_dim) * size);
    s.scores = emb_arena_take(arena, keys, QUERIES * size);
    if (a->has_relative)
        s.added = emb_arena_take(arena, keys, QUERIES * size);
    s.sums = emb_arena_take(arena, QUERIES, size);
    return s;
}

size_t emb_attention_scratch(const emb_attention *a, int64_t max_tokens)
{
    emb_arena arena;

    emb_arena_init(&arena, NULL, 0);
    take_scratch(a, max_tokens, &arena);
    return arena.failed ? SIZE_MAX : arena.used;
}

/* What is added to the scores of one query: row[1 + height * width]. */
static void relative_row(const emb_relative_positions *r, int64_t head, int64_t query, float *row)
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

/* The same along a text: row[tokens]. */
static void distance_row(const emb_relative_positions *r, int64_t head, int64_t query,
                         int64_t tokens, float *row)
{
    const float *table = r->table + head * (2 * r->reach + 1) + r->reach;

    for (int64_t key = 0; key < tokens; key++)
        row[key] = table[EMB_MAX(EMB_MIN(key - query, r->reach), -r->reach)];
}

/* Keys behind a query have weight zero; rows from query first on. */
static void softmax_causal(const emb_kernels *kernels, int64_t first, int64_t rows, int64_t tokens,
                           float scale, const scratch_parts *s)
{
    for (int64_t i = 0; i < rows; i++) {
        const int64_t seen = first + i + 1;
        float *row = s->scores + i * s->lds;

        kernels->softmax_f32(1, seen, row, s->lds, scale, s->sums + i);
        memset(row + seen, 0, (size_t)(tokens - seen) * sizeof *row);
    }
}

/* Queries first .. last-1 of a head of a sequence. */
static void run_head(const job *j, char *scratch, int64_t sequence, int64_t head, int64_t first,
                     int64_t last)
{
    const emb_kernels *kernels = j->device->kernels;
    const int64_t start = j->starts[sequence], tokens = j->starts[sequence + 1] - start;
    const int64_t dim = j->attention->head_dim, column = head * dim, at = start * j->ld + column;
    const int64_t row = j->attention->one_query ? sequence : start;
    const float *q = j->q + (j->attention->one_query ? column : at);
    emb_arena arena;
    scratch_parts s;

    emb_arena_init(&arena, scratch, j->scratch_per_thread);
    s = take_scratch(j->attention, tokens, &arena);
    kernels->pack_rows_f32(tokens, dim, j->k + at, j->ld, s.keys);
    kernels->pack_columns_f32(tokens, dim, j->v + at, j->ld, s.values);
    for (int64_t query = first; query < last; query += QUERIES) {
        const int64_t rows = EMB_MIN(last - query, QUERIES);
        float *context = j->context + (row + query) * j->ldc + column;
        float scale = j->attention->scale;

        kernels->gemm_f32(rows, tokens, dim, q + query * j->ld, j->ld, s.keys, s.scores, s.lds);
        if (j->relative) {
            for (int64_t i = 0; i < rows; i++)
                if (j->relative->reach)
                    distance_row(j->relative, head, query + i, tokens, s.added + i * s.lds);
                else
                    relative_row(j->relative, head, query + i, s.added + i * s.lds);
            kernels->add_scores_f32(rows, tokens, s.scores, s.lds, scale, s.added, s.lds);
            scale = 1.0f;
        }
        if (j->attention->causal)
            softmax_causal(kernels, query, rows, tokens, scale, &s);
        else
            kernels->softmax_f32(rows, tokens, s.scores, s.lds, scale, s.sums);
        kernels->gemm_f32(rows, dim, tokens, s.scores, s.lds, s.values, context, j->ldc);
        kernels->divide_rows_f32(rows, dim, context, j->ldc, s.sums);
    }
}

/* One thread's share: items until there are none left, in scratch number index. */
static void run_items(void *arg, int64_t index)
{
    job *j = arg;
    char *scratch = j->scratch + (size_t)index * j->scratch_per_thread;
    int64_t item;

    while ((item = atomic_fetch_add(&j->next, 1)) < j->items) {
        const int64_t cut = item % j->cuts, head = item / j->cuts % j->attention->heads;
        const int64_t sequence = item / j->cuts / j->attention->heads;
        const int64_t tokens = j->starts[sequence + 1] - j->starts[sequence];
        const int64_t queries = j->attention->one_query ? EMB_MIN(tokens, 1) : tokens;
        const int64_t first = queries * cut / j->cuts, last = queries * (cut + 1) / j->cuts;

        if (first < last)
            run_head(j, scratch, sequence, head, first, last);
    }
}

void emb_attention_run(const emb_device *d, const emb_attention *a,
                       const emb_relative_positions *relative, int64_t sequences,
                       const int64_t *starts, const float *q, const float *k, const float *v,
                       int64_t ld, float *context, int64_t ldc, void *scratch,
                       size_t scratch_per_thread)
{
    const int64_t heads = sequences * a->heads, wanted = (int64_t)ITEMS * d->threads;
    const bool cut = d->threads > 1 && heads > 0 && heads < wanted && !a->one_query;
    job j = {
        .device = d,
        .attention = a,
        .relative = relative,
        .starts = starts,
        .q = q,
        .k = k,
        .v = v,
        .ld = ld,
        .context = context,
        .ldc = ldc,
        .scratch = scratch,
        .scratch_per_thread = scratch_per_thread,
        .cuts = cut ? (wanted + heads - 1) / heads : 1,
    };

    j.items = heads * j.cuts;
    emb_parallel(d, run_items, &j, d->threads);
}
