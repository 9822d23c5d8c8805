/* Late chunking: one pass over a text, then a vector for each span of it. */
#include "inputs.h"

typedef struct chunking {
    embed_session *session;
    emb_call call;
    emb_recipe recipe;
    const int64_t (*spans)[2];
    int64_t count;
    float *vectors;
    int64_t stride;
    int64_t next; /* span to be finished; all before it are */
    int64_t rows; /* of pooled[0], finished and not yet vectors */
    emb_token_arrays out;
} chunking;

static void write_rows(chunking *k)
{
    emb_recipe_finish(k->session, &k->recipe, k->rows, k->vectors, k->stride);
    k->rows = 0;
}

/* The next span's row is in its place, or the span has no token. */
static int32_t finish_span(chunking *k, bool empty)
{
    embed_session *s = k->session;
    int64_t span = k->next++;
    s->owners[k->rows] = span;
    s->failed[k->rows] = empty;
    if (empty) {
        float *row = s->pooled[0] + k->rows * k->recipe.pooled_dim;
        memset(row, 0, (size_t)k->recipe.pooled_dim * sizeof *row);
        emb_fail(&s->error, EMBED_EMISSING,
                 "expected a token that ends in bytes %lld to %lld, found none",
                 (long long)k->spans[span][0], (long long)k->spans[span][1]);
        int32_t status = emb_call_failed(s, &k->call, span);
        if (status < 0) return status;
    }
    if (++k->rows == s->max_sequences) write_rows(k);
    return EMBED_OK;
}

/* Does the token's last byte lie in the span? Special tokens and those of the prompt have no bytes. */
static bool holds(const int64_t span[2], const int64_t token[2])
{
    return token[0] < token[1] && span[0] < token[1] && token[1] <= span[1];
}

static const float *run_tokens(chunking *k, int64_t n, int32_t *status)
{
    embed_session *s = k->session;
    const float *x = NULL;
    s->starts[0] = 0;
    s->starts[1] = n;
    emb_batch batch = {.sequences = 1, .tokens = n, .starts = s->starts, .ids = s->ids,
                       .type_ids = s->type_ids};
    *status = emb_run_encoder(s, &k->call, &batch, &x);
    return x;
}

/* ---- a text that is one pass ----------------------------------------------------------------- */

static int32_t pool_span(chunking *k, const float *x, int64_t n)
{
    embed_session *s = k->session;
    const int64_t *span = k->spans[k->next];
    int64_t h = k->call.encoder->arch.hidden_size, first = n, last = -1;
    for (int64_t t = 0; t < n; t++) {
        s->mask[t] = holds(span, s->offsets[t]);
        if (!s->mask[t]) continue;
        first = EMB_MIN(first, t);
        last = t;
    }
    bool pooled = last >= 0 && emb_pool_one(k->recipe.pooling[0], last - first + 1, h, x + first * h,
                                            h, s->mask + first, 0,
                                            s->pooled[0] + k->rows * k->recipe.pooled_dim);
    return finish_span(k, !pooled);
}

static int32_t pool_whole(chunking *k)
{
    embed_session *s = k->session;
    int32_t status;
    int64_t n = emb_text_load(s, &k->call, 0, 0);
    if (n < 0) return (int32_t)n;
    const float *x = run_tokens(k, n, &status);
    while (status == EMBED_OK && k->next < k->count) status = pool_span(k, x, n);
    return status;
}

/* ---- windows: spans in order, each mean a sum that goes on from window to window --------------- */

static int32_t finish_sum(chunking *k)
{
    embed_session *s = k->session;
    int64_t h = k->recipe.pooled_dim;
    float *row = s->pooled[0] + k->rows * h;
    bool empty = s->weight == 0;
    for (int64_t i = 0; !empty && i < h; i++) row[i] = (float)(s->sum[i] / (double)s->weight);
    s->weight = 0;
    return finish_span(k, empty);
}

static int32_t take_window(void *user, const emb_window *window)
{
    chunking *k = user;
    embed_session *s = k->session;
    int64_t h = k->recipe.pooled_dim, n = emb_text_finish(s, &k->call, window->tokens, 0);
    int32_t status;
    if (n < 0) return (int32_t)n;
    const float *x = run_tokens(k, n, &status);
    for (int64_t t = window->fresh; t < window->tokens && status == EMBED_OK; t++) {
        const int64_t *token = s->offsets[t];
        while (status == EMBED_OK && k->next < k->count && k->spans[k->next][1] < token[1])
            status = finish_sum(k);
        if (status < 0 || k->next == k->count || !holds(k->spans[k->next], token)) continue;
        for (int64_t i = 0; i < h; i++)
            s->sum[i] = (s->weight ? s->sum[i] : 0.0) + (double)x[t * h + i];
        s->weight++;
    }
    return status < 0 ? status : emb_call_progress(s, &k->call, k->next);
}

static int32_t pool_windows(chunking *k)
{
    embed_session *s = k->session;
    s->weight = 0;
    k->out = (emb_token_arrays){.capacity = s->batch_tokens, .ids = s->ids, .type_ids = s->type_ids,
                                .offsets = s->offsets};
    int32_t status = emb_text_windows(s, &k->call, 0, &k->out, take_window, k);
    while (status == EMBED_OK && k->next < k->count) status = finish_sum(k);
    return status;
}

/* ---- the call ------------------------------------------------------------------------------------ */

static int32_t check_pooling(embed_session *s, const emb_call *c, int32_t pooling)
{
    bool of_spans = pooling >= EMBED_POOL_CLS && pooling <= EMBED_POOL_MEAN_ALL &&
                    pooling != EMBED_POOL_POOLER;
    if (!of_spans)
        return emb_fail(&s->error, EMBED_EINVAL,
                        "pooling: expected cls, mean, max, last, weighted or sqrt_len of a span, "
                        "found %d", (int)pooling);
    if (c->windows && pooling != EMBED_POOL_MEAN)
        return emb_fail(&s->error, EMBED_EINVAL,
                        "pooling: expected the mean of a span that windows may part, found %d",
                        (int)pooling);
    return EMBED_OK;
}

static int32_t check_spans(embed_session *s, const chunking *k, int64_t size)
{
    int64_t end = 0;
    for (int64_t i = 0; i < k->count; i++) {
        const int64_t *span = k->spans[i];
        if (span[0] < 0 || span[1] < span[0] || span[1] > size)
            return emb_fail(&s->error, EMBED_EINVAL,
                            "span %lld: expected bytes within 0 to %lld, found %lld to %lld",
                            (long long)i, (long long)size, (long long)span[0], (long long)span[1]);
        if (k->call.windows && span[0] < end)
            return emb_fail(&s->error, EMBED_EINVAL,
                            "span %lld: windows take spans in order, none over another: expected "
                            "one from %lld on, found %lld", (long long)i, (long long)end,
                            (long long)span[0]);
        end = span[1];
    }
    return EMBED_OK;
}

int32_t emb_session_spans(embed_session *s, const char *text, int64_t size,
                          const int64_t (*spans)[2], int64_t count, const embed_encode_options *o,
                          float *vectors, int64_t stride)
{
    embed_encode_options own = *o;
    embed_input input = {.count = 1, .texts = &text, .text_sizes = &size};
    chunking k = {.session = s, .spans = spans, .count = count, .vectors = vectors, .stride = stride};
    if (!own.pooling) own.pooling = EMBED_POOL_MEAN;
    int32_t status = emb_call_resolve(s, &input, &own, &k.call);
    if (status == EMBED_OK) status = check_pooling(s, &k.call, own.pooling);
    if (status == EMBED_OK)
        status = emb_recipe_resolve(s->model, k.call.encoder, &own, &k.recipe, &s->error);
    if (status == EMBED_OK && stride < k.recipe.dim)
        status = emb_fail(&s->error, EMBED_EINVAL, "stride: expected at least %lld, found %lld",
                          (long long)k.recipe.dim, (long long)stride);
    if (status == EMBED_OK) status = check_spans(s, &k, size);
    if (status < 0) return status;
    k.call.unit = "span";
    k.call.total = count;
    k.call.offsets = s->offsets;
    if (!k.call.windows) {
        k.call.refuse = true; /* what is cut off would leave spans without their tokens */
        k.call.tokenize.max_length = 0;
    }
    status = k.call.windows ? pool_windows(&k) : pool_whole(&k);
    if (status == EMBED_OK && k.rows) write_rows(&k);
    return status < 0 ? status : emb_call_progress(s, &k.call, count);
}
