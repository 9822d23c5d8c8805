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
    float *sums;   /* [QUERIES] */
    int64_t lds;
} scratch_parts;

typedef struct {
    const emb_device *device;
    const emb_attention *attention;
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
    scratch_parts s;

    s.lds = (int64_t)keys;
    s.keys = emb_arena_take(arena, keys, (size_t)a->head_dim * size);
    s.values = emb_arena_take(arena, (size_t)tokens, (size_t)whole_panels(a->head_dim) * size);
    s.scores = emb_arena_take(arena, keys, QUERIES * size);
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

/* Queries first .. last-1 of a head of the sequence in rows start .. start+tokens-1. */
static void run_head(const job *j, char *scratch, int64_t start, int64_t tokens, int64_t head,
                     int64_t first, int64_t last)
{
    const emb_kernels *kernels = j->device->kernels;
    const int64_t dim = j->attention->head_dim, at = start * j->ld + head * dim;
    emb_arena arena;
    scratch_parts s;

    emb_arena_init(&arena, scratch, j->scratch_per_thread);
    s = take_scratch(j->attention, tokens, &arena);
    kernels->pack_rows_f32(tokens, dim, j->k + at, j->ld, s.keys);
    kernels->pack_columns_f32(tokens, dim, j->v + at, j->ld, s.values);
    for (int64_t query = first; query < last; query += QUERIES) {
        const int64_t rows = EMB_MIN(last - query, QUERIES);
        float *context = j->context + (start + query) * j->ldc + head * dim;

        kernels->gemm_f32(rows, tokens, dim, j->q + at + query * j->ld, j->ld, s.keys, s.scores,
                          s.lds);
        kernels->softmax_f32(rows, tokens, s.scores, s.lds, j->attention->scale, s.sums);
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
        const int64_t start = j->starts[sequence], tokens = j->starts[sequence + 1] - start;
        const int64_t first = tokens * cut / j->cuts, last = tokens * (cut + 1) / j->cuts;

        if (first < last)
            run_head(j, scratch, start, tokens, head, first, last);
    }
}

void emb_attention_run(const emb_device *d, const emb_attention *a, int64_t sequences,
                       const int64_t *starts, const float *q, const float *k, const float *v,
                       int64_t ld, float *context, int64_t ldc, void *scratch,
                       size_t scratch_per_thread)
{
    const int64_t heads = sequences * a->heads, wanted = (int64_t)ITEMS * d->threads;
    job j = {d, a, starts, q, k, v, ld, context, ldc, scratch, scratch_per_thread, 0, 1, 0};

    if (d->threads > 1 && heads > 0 && heads < wanted)
        j.cuts = (wanted + heads - 1) / heads;
    j.items = heads * j.cuts;
    emb_parallel(d, run_items, &j, d->threads);
}
