/* softmax(scale Q K^T) V for each sequence and head of a packed batch. Keys and values of a stretch
 * of queries, those that any of them sees, are packed into panels once for all heads that share them;
 * blocks of queries then take whole rows of scores through softmax and the values. Where a stretch begins
 * depends on the sequence alone, so that no bit depends on how work is cut. */
#include "nn.h"

enum {
    QUERIES = 48, /* rows of one block of scores */
    STRETCH = 4 * QUERIES, /* of causal attention: what follows its last query is left out */
    ITEMS = 4     /* a thread: with fewer heads than that, their queries are cut */
};

typedef struct {
    float *keys;   /* panels [keys / 16][head_dim][16] */
    float *values; /* panels [head_dim / 16][keys][16] */
    float *scores; /* [QUERIES][lds] */
    float *sums;   /* [QUERIES] */
    int64_t lds;
    emb_relative_scratch relative;
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
    int64_t cuts; /* query ranges of one key head of a sequence, each an item of work */
} job;

/* Keys first .. end - 1 of a sequence, of its tokens. */
typedef struct {
    int64_t first, end;
} range;

static int64_t whole_panels(int64_t n)
{
    return (n + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;
}

static int64_t key_heads(const emb_attention *a)
{
    return a->key_heads ? a->key_heads : a->heads;
}

/* What one query sees. */
static range seen_by(const emb_attention *a, int64_t query, int64_t tokens)
{
    range r = {0, a->causal ? query + 1 : tokens};

    if (a->window) {
        r.first = EMB_MAX(query - a->window + 1, 0);
        r.end = EMB_MIN(query + a->window, r.end);
    }
    return r;
}

/* How many queries share packed keys. 0: all that there are, since each sees every key. */
static int64_t stretch_of(const emb_attention *a)
{
    return a->window ? QUERIES : a->causal ? STRETCH : 0;
}

static scratch_parts take_scratch(const emb_attention *a, int64_t tokens, emb_arena *arena)
{
    const size_t size = sizeof(float), keys = (size_t)whole_panels(tokens);
    scratch_parts s = {.lds = (int64_t)keys};

    s.keys = emb_arena_take(arena, keys, (size_t)a->head_dim * size);
    s.values = emb_arena_take(arena, (size_t)tokens, (size_t)whole_panels(a->head_dim) * size);
    s.scores = emb_arena_take(arena, keys, QUERIES * size);
    if (a->has_relative)
        s.relative = emb_relative_plan(a->relative_rows, QUERIES, tokens, arena);
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

/* Keys that a query does not see have weight zero; rows from query first on, scores of keys. */
static void softmax_seen(const job *j, int64_t first, int64_t rows, int64_t tokens, range keys,
                         float scale, const scratch_parts *s)
{
    const emb_kernels *kernels = j->device->kernels;

    for (int64_t i = 0; i < rows; i++) {
        const range seen = seen_by(j->attention, first + i, tokens);
        float *row = s->scores + i * s->lds;

        memset(row, 0, (size_t)(seen.first - keys.first) * sizeof *row);
        memset(row + seen.end - keys.first, 0, (size_t)(keys.end - seen.end) * sizeof *row);
        kernels->softmax_f32(1, seen.end - seen.first, row + seen.first - keys.first, s->lds, scale,
                             s->sums + i);
    }
}

/* Queries first .. first + rows - 1 of a head, over the keys that are packed. */
static void run_block(const job *j, int64_t sequence, const emb_relative_head *relative,
                      int64_t first, int64_t rows, range keys, const scratch_parts *s)
{
    const emb_attention *a = j->attention;
    const emb_kernels *kernels = j->device->kernels;
    const int64_t start = j->starts[sequence], tokens = j->starts[sequence + 1] - start;
    const int64_t dim = a->head_dim, head = relative->head, n = keys.end - keys.first;
    const float *q = j->q + (a->one_query ? 0 : start + first) * j->ld + head * dim;
    float *context = j->context + (a->one_query ? sequence : start + first) * j->ldc + head * dim;
    float scale = a->scale;

    kernels->gemm_f32(rows, n, dim, q, j->ld, s->keys, s->scores, s->lds);
    if (j->relative)
        scale = emb_relative_add(relative, first, rows, q, j->ld, scale, s->scores);
    if (a->causal || a->window)
        softmax_seen(j, first, rows, tokens, keys, scale, s);
    else
        kernels->softmax_f32(rows, n, s->scores, s->lds, scale, s->sums);
    kernels->gemm_f32(rows, dim, n, s->scores, s->lds, s->values, context, j->ldc);
    kernels->divide_rows_f32(rows, dim, context, j->ldc, s->sums);
}

/* Queries first .. end - 1, one stretch, of all heads that share a key head of a sequence. */
static void run_stretch(const job *j, char *scratch, int64_t sequence, int64_t key_head,
                        int64_t first, int64_t end)
{
    const emb_attention *a = j->attention;
    const emb_kernels *kernels = j->device->kernels;
    const int64_t start = j->starts[sequence], tokens = j->starts[sequence + 1] - start;
    const int64_t group = a->heads / key_heads(a);
    range keys = {seen_by(a, first, tokens).first, seen_by(a, end - 1, tokens).end};
    emb_arena arena;
    scratch_parts s;

    if (a->one_query || j->relative)
        keys = (range){0, tokens};
    const int64_t n = keys.end - keys.first;
    const int64_t at = (start + keys.first) * j->ld + key_head * a->head_dim;
    emb_arena_init(&arena, scratch, j->scratch_per_thread);
    s = take_scratch(a, n, &arena);
    kernels->pack_rows_f32(n, a->head_dim, j->k + at, j->ld, s.keys);
    kernels->pack_columns_f32(n, a->head_dim, j->v + at, j->ld, s.values);
    for (int64_t head = key_head * group; head < (key_head + 1) * group; head++) {
        const emb_relative_head relative = {kernels, j->relative, head, a->head_dim, n, s.relative};

        if (j->relative)
            emb_relative_start(&relative, s.keys);
        for (int64_t query = first; query < end; query += QUERIES)
            run_block(j, sequence, &relative, query, EMB_MIN(end - query, QUERIES), keys, &s);
    }
}

/* One of the cuts of a sequence's queries: whole stretches. */
static void run_cut(const job *j, char *scratch, int64_t sequence, int64_t key_head, int64_t cut)
{
    const int64_t tokens = j->starts[sequence + 1] - j->starts[sequence];
    const int64_t queries = j->attention->one_query ? EMB_MIN(tokens, 1) : tokens;
    const int64_t stretch = stretch_of(j->attention), unit = EMB_MAX(stretch, 1);
    const int64_t units = (queries + unit - 1) / unit, step = stretch ? stretch : tokens;
    const int64_t end = EMB_MIN(units * (cut + 1) / j->cuts * unit, queries);

    for (int64_t at = units * cut / j->cuts * unit; at < end; at += step)
        run_stretch(j, scratch, sequence, key_head, at, EMB_MIN(at + step, end));
}

/* One item, in scratch number thread. */
static void run_item(void *arg, const emb_device *alone, int64_t thread, int64_t item)
{
    const job *j = arg;
    const int64_t heads = key_heads(j->attention);

    (void)alone;
    run_cut(j, j->scratch + (size_t)thread * j->scratch_per_thread, item / j->cuts / heads,
            item / j->cuts % heads, item % j->cuts);
}

void emb_attention_run(const emb_device *d, const emb_attention *a,
                       const emb_relative_positions *relative, int64_t sequences,
                       const int64_t *starts, const float *q, const float *k, const float *v,
                       int64_t ld, float *context, int64_t ldc, void *scratch,
                       size_t scratch_per_thread)
{
    const int64_t heads = sequences * key_heads(a), wanted = (int64_t)ITEMS * d->threads;
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

    emb_share(d, run_item, &j, heads * j.cuts);
}
