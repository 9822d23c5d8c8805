/* A session's workspace, and the cutting of a batch of inputs into passes. */
#include "session.h"

#include <stdio.h>

enum {
    DEFAULT_BATCH_TOKENS = 1024,
    MAX_BATCH_TOKENS = 1 << 30,
    MAX_SEQUENCES = 512, /* of one pass */
    DEFAULT_TEXT_BYTES = 1 << 20,
    MAX_THREADS = 1024
};

struct embed_session {
    const embed_model *model;
    emb_device device;
    emb_pool *pool; /* NULL: one thread, or the host's */
    void *owned;    /* the workspace, where embed_session_free gives it back */
    int64_t batch_tokens, max_sequences, max_text_bytes;
    void *tokenizer_scratch;
    int32_t *ids, *type_ids; /* [2 * batch_tokens]: a pass, and the input that did not fit it */
    int32_t *mask;           /* [batch_tokens] */
    int64_t *starts;         /* [max_sequences + 1] */
    float *pooled[3];        /* [max_sequences][widest] */
    emb_encoder_scratch encoder;
    embed_error error;
};

embed_error *emb_session_error(embed_session *s) { return &s->error; }

/* ---- workspace ----------------------------------------------------------------- */

static int64_t widest_vector(const embed_model *m)
{
    int64_t h = m->encoder.arch.hidden_size, widest;
    emb_modules_dim(&m->modules, EMB_MAX(m->modules.pooling_count, 1) * h, &widest);
    return widest;
}

/* Cut the workspace: over a planning arena this only counts. */
static void plan(embed_session *s, const embed_model *m, int32_t threads, bool pool,
                 emb_arena *arena)
{
    size_t tokens = (size_t)s->batch_tokens, sequences = (size_t)s->max_sequences;
    s->ids = emb_arena_take(arena, 2 * tokens, sizeof *s->ids);
    s->type_ids = emb_arena_take(arena, 2 * tokens, sizeof *s->type_ids);
    s->mask = emb_arena_take(arena, tokens, sizeof *s->mask);
    s->starts = emb_arena_take(arena, sequences + 1, sizeof *s->starts);
    for (int i = 0; i < 3; i++)
        s->pooled[i] = emb_arena_take(arena, sequences, (size_t)widest_vector(m) * sizeof(float));
    if (m->tokenizer)
        s->tokenizer_scratch = emb_arena_take(
            arena,
            emb_tokenizer_scratch_size(m->tokenizer, s->max_text_bytes, emb_model_longest(m)), 1);
    s->pool = pool ? emb_arena_take(arena, emb_pool_size(threads), 1) : NULL;
    emb_encoder_plan(&m->encoder, s->batch_tokens, threads, arena, &s->encoder);
}

static int32_t check_options(const embed_session_options *o, embed_error *error)
{
    if (o->threads < 0 || o->threads > MAX_THREADS)
        return emb_fail(error, EMBED_EINVAL, "threads: expected 0 to %d, found %d", MAX_THREADS,
                        (int)o->threads);
    if (o->batch_tokens < 0 || o->batch_tokens > MAX_BATCH_TOKENS)
        return emb_fail(error, EMBED_EINVAL, "batch_tokens: expected 0 to %d, found %lld",
                        MAX_BATCH_TOKENS, (long long)o->batch_tokens);
    if (o->max_text_bytes < 0)
        return emb_fail(error, EMBED_EINVAL, "max_text_bytes: expected 0 or more, found %lld",
                        (long long)o->max_text_bytes);
    return EMBED_OK;
}

int32_t emb_session_init(const embed_model *m, const embed_session_options *o, void *workspace,
                         size_t *size, embed_session **out, embed_error *error)
{
    int32_t status = check_options(o, error);
    if (status < 0) return status;
    int32_t threads = o->threads ? o->threads : emb_usable_cores();
    bool pool = !o->parallel && threads > 1;
    embed_session wanted = {
        .model = m,
        .batch_tokens =
            o->batch_tokens ? o->batch_tokens : EMB_MAX(DEFAULT_BATCH_TOKENS, emb_model_longest(m)),
        .max_text_bytes = o->max_text_bytes ? o->max_text_bytes : DEFAULT_TEXT_BYTES,
    };
    wanted.max_sequences = EMB_MIN(wanted.batch_tokens, MAX_SEQUENCES);

    emb_arena arena;
    emb_arena_init(&arena, workspace, workspace ? *size : 0);
    embed_session *s = emb_arena_take(&arena, 1, sizeof *s);
    plan(&wanted, m, threads, pool, &arena);
    if (!workspace) {
        *size = arena.used;
        return arena.failed ? emb_fail(error, EMBED_ENOMEM,
                                       "batch_tokens: a workspace for %lld does not fit memory",
                                       (long long)wanted.batch_tokens)
                            : EMBED_OK;
    }
    if ((uintptr_t)workspace % EMBED_WORKSPACE_ALIGN)
        return emb_fail(error, EMBED_EWORKSPACE,
                        "workspace: expected an address aligned to %d bytes, found %p",
                        EMBED_WORKSPACE_ALIGN, workspace);
    if (arena.failed)
        return emb_fail(error, EMBED_EWORKSPACE,
                        "workspace: expected what embed_workspace_size says, found %zu bytes",
                        *size);
    *s = wanted;
    if (pool) emb_pool_start(s->pool, threads);
    s->device = (emb_device){
        .kernels = m->kernels,
        .gemm = m->gemm,
        .parallel = o->parallel ? o->parallel
                    : pool      ? emb_pool_run
                                : NULL,
        .parallel_user = o->parallel ? o->parallel_user : s->pool,
        .threads = threads,
    };
    s->error.struct_size = sizeof s->error;
    *out = s;
    return EMBED_OK;
}

int32_t emb_session_create(const embed_model *m, const embed_session_options *o,
                           embed_session **out, embed_error *error)
{
    size_t size;
    int32_t status = emb_session_init(m, o, NULL, &size, NULL, error);
    if (status < 0) return status;
    void *workspace = emb_alloc(&m->allocator, size, 1);
    if (!workspace)
        return emb_fail(error, EMBED_ENOMEM, "out of memory for a workspace of %zu bytes", size);
    status = emb_session_init(m, o, workspace, &size, out, error);
    if (status < 0) emb_free(&m->allocator, workspace);
    else (*out)->owned = workspace;
    return status;
}

void emb_session_free(embed_session *s)
{
    if (!s) return;
    if (s->pool) emb_pool_stop(s->pool);
    emb_free(&s->model->allocator, s->owned);
}

/* ---- a call: options resolved ------------------------------------------------------ */

typedef struct call {
    const embed_encode_options *options;
    const embed_input *input;
    emb_text prompt;       /* its prefix alone is used; NULL: none */
    int64_t prompt_tokens; /* tokens that pooling leaves out; 0: none */
    int64_t max_length;    /* tokens of one input, at most */
    emb_tokenize_options tokenize;
    int64_t layer;
} call;

static int32_t resolve_prompt(embed_session *s, call *c)
{
    const emb_modules *modules = &s->model->modules;
    const embed_encode_options *o = c->options;
    const char *prompt = o->prompt;
    if (!prompt && o->prompt_name) {
        prompt = emb_prompt_text(modules, o->prompt_name);
        if (!prompt)
            return emb_fail(&s->error, EMBED_EMISSING,
                            "prompt \"%s\": the model has no prompt of this name",
                            emb_excerpt_of(o->prompt_name, strlen(o->prompt_name)).text);
    } else if (!prompt) {
        prompt = modules->default_prompt;
    }
    if (prompt && *prompt) {
        c->prompt.prefix = prompt;
        c->prompt.prefix_size = strlen(prompt);
    }
    return EMBED_OK;
}

static int32_t resolve_tokenizing(embed_session *s, call *c, bool truncate_by_default)
{
    const embed_model *m = s->model;
    const embed_encode_options *o = c->options;
    int64_t longest = emb_model_longest(m);
    if (o->max_length < 0 || o->max_length > longest)
        return emb_fail(&s->error, EMBED_ERANGE,
                        "max_length: expected 1 to the model's %lld tokens, found %lld",
                        (long long)longest, (long long)o->max_length);
    if (o->truncation_side < 0 || o->truncation_side > EMBED_TRUNCATE_LEFT)
        return emb_fail(&s->error, EMBED_EINVAL,
                        "truncation_side: expected an EMBED_TRUNCATE_ value, found %d",
                        (int)o->truncation_side);
    if (o->strategy < 0 || o->strategy > EMBED_STRATEGY_ONLY_SECOND)
        return emb_fail(&s->error, EMBED_EINVAL,
                        "strategy: expected an EMBED_STRATEGY_ value, found %d", (int)o->strategy);
    c->max_length = o->max_length ? o->max_length : m->max_length;
    bool cut = !(o->flags & EMBED_NO_TRUNCATION) && (truncate_by_default || o->max_length);
    bool left = o->truncation_side ? o->truncation_side == EMBED_TRUNCATE_LEFT
                                   : m->tokenizer && emb_tokenizer_truncates_left(m->tokenizer);
    c->tokenize = (emb_tokenize_options){
        .max_length = cut ? c->max_length : 0,
        .left = left,
        .strategy = o->strategy,
        .add_special_tokens = !(o->flags & EMBED_NO_SPECIAL_TOKENS),
        .replace_invalid = (o->flags & EMBED_REPLACE_INVALID_UTF8) != 0,
    };
    return resolve_prompt(s, c);
}

/* Tokens of the prompt alone, its closing special token left out: what include_prompt = false
 * excludes. */
static int32_t count_prompt_tokens(embed_session *s, call *c)
{
    if (s->model->modules.include_prompt || !c->prompt.prefix || !s->model->tokenizer)
        return EMBED_OK;
    emb_text text = {.data = c->prompt.prefix, .size = c->prompt.prefix_size};
    emb_token_arrays out = {.capacity = s->batch_tokens, .sequence_ids = s->mask};
    int64_t n =
        emb_tokenize(s->model->tokenizer, s->tokenizer_scratch, s->max_text_bytes,
                     emb_model_longest(s->model), &text, NULL, &c->tokenize, &out, &s->error);
    if (n < 0) return (int32_t)n;
    c->prompt_tokens = n > 0 && n <= s->batch_tokens && s->mask[n - 1] < 0 ? n - 1 : n;
    return EMBED_OK;
}

static int32_t resolve_layer(embed_session *s, call *c)
{
    int64_t layers = s->model->encoder.arch.num_hidden_layers;
    c->layer = c->options->layer ? (int64_t)c->options->layer - 1 : layers;
    if (c->layer < 0 || c->layer > layers)
        return emb_fail(&s->error, EMBED_ERANGE, "layer: expected 0 to %lld, found %lld",
                        (long long)layers, (long long)c->layer);
    return EMBED_OK;
}

static int32_t resolve(embed_session *s, const embed_input *input, const embed_encode_options *o,
                       call *c)
{
    *c = (call){.options = o, .input = input};
    int32_t status = EMBED_OK;
    if (!input->ids && input->count > 0 && !s->model->tokenizer)
        return emb_fail(&s->error, EMBED_EKIND,
                        "the model directory has no tokenizer: it takes token ids alone");
    status = resolve_tokenizing(s, c, true);
    if (status == EMBED_OK) status = resolve_layer(s, c);
    if (status == EMBED_OK && !input->ids) status = count_prompt_tokens(s, c);
    return status;
}

/* ---- inputs -> tokens ----------------------------------------------------------------- */

static size_t size_of(const char *text, const int64_t *sizes, int64_t i)
{
    return sizes ? (size_t)sizes[i] : strlen(text);
}

static int64_t tokenize_text(embed_session *s, const call *c, int64_t i, int64_t at)
{
    const embed_input *in = c->input;
    emb_text text = c->prompt, pair = {0};
    if (!in->texts[i] || (in->text_sizes && in->text_sizes[i] < 0) ||
        (in->pairs && (!in->pairs[i] || (in->pair_sizes && in->pair_sizes[i] < 0))))
        return emb_fail(&s->error, EMBED_EINVAL,
                        "expected a text and its size, found NULL or a negative size");
    text.data = in->texts[i];
    text.size = size_of(text.data, in->text_sizes, i);
    if (in->pairs) {
        pair.data = in->pairs[i];
        pair.size = size_of(pair.data, in->pair_sizes, i);
    }
    emb_token_arrays out = {
        .capacity = s->batch_tokens,
        .ids = s->ids + at,
        .type_ids = s->type_ids + at,
    };
    return emb_tokenize(s->model->tokenizer, s->tokenizer_scratch, s->max_text_bytes,
                        emb_model_longest(s->model), &text, in->pairs ? &pair : NULL, &c->tokenize,
                        &out, &s->error);
}

static int64_t copy_ids(embed_session *s, const call *c, int64_t i, int64_t at)
{
    const embed_input *in = c->input;
    int64_t begin = in->offsets[i], end = in->offsets[i + 1];
    if (begin < 0 || end < begin)
        return emb_fail(&s->error, EMBED_EINVAL,
                        "offsets: expected ascending numbers, found %lld and %lld",
                        (long long)begin, (long long)end);
    for (int64_t t = 0; t < end - begin && t < s->batch_tokens; t++) {
        s->ids[at + t] = in->ids[begin + t];
        s->type_ids[at + t] = in->type_ids ? in->type_ids[begin + t] : 0;
    }
    return end - begin;
}

/* What would read outside the embedding tables. */
static int32_t check_tokens(embed_session *s, const call *c, int64_t n, int64_t at)
{
    const emb_architecture *a = &s->model->encoder.arch;
    if (n > c->max_length && !c->input->ids && (c->options->flags & EMBED_NO_TRUNCATION))
        return emb_fail(&s->error, EMBED_ERANGE,
                        "expected at most max_length = %lld tokens, found %lld",
                        (long long)c->max_length, (long long)n);
    if (n > a->max_position_embeddings)
        return emb_fail(&s->error, EMBED_ERANGE,
                        "expected at most the model's %lld positions, found %lld tokens",
                        (long long)a->max_position_embeddings, (long long)n);
    if (n > s->batch_tokens)
        return emb_fail(&s->error, EMBED_ERANGE,
                        "expected at most the session's batch_tokens = %lld, found %lld tokens",
                        (long long)s->batch_tokens, (long long)n);
    for (int64_t t = at; t < at + n; t++) {
        if (s->ids[t] < 0 || s->ids[t] >= a->vocab_size)
            return emb_fail(&s->error, EMBED_ETOKEN,
                            "token %lld: expected an id from 0 to %lld, found %d",
                            (long long)(t - at), (long long)a->vocab_size - 1, (int)s->ids[t]);
        if (a->type_vocab_size && (s->type_ids[t] < 0 || s->type_ids[t] >= a->type_vocab_size))
            return emb_fail(
                &s->error, EMBED_ETOKEN, "token %lld: expected a type id from 0 to %lld, found %d",
                (long long)(t - at), (long long)a->type_vocab_size - 1, (int)s->type_ids[t]);
    }
    return EMBED_OK;
}

/* Tokens of input i into ids[at..]; how many, or a negative status with the input named. */
static int64_t load_input(embed_session *s, const call *c, int64_t i, int64_t at)
{
    int64_t n = c->input->ids ? copy_ids(s, c, i, at) : tokenize_text(s, c, i, at);
    int32_t status = n < 0 ? (int32_t)n : check_tokens(s, c, n, at);
    if (status < 0 && c->input->count > 1)
        return emb_fail_in(&s->error, "input %lld", (long long)i);
    return status < 0 ? status : n;
}

/* ---- passes --------------------------------------------------------------------------------- */

/* A pass: inputs first .. first + batch.sequences - 1, packed. */
typedef int32_t (*pass_fn)(embed_session *s, const call *c, int64_t first, const emb_batch *batch,
                           void *user);

static int32_t run_pass(embed_session *s, const call *c, int64_t first, int64_t sequences,
                        pass_fn pass, void *user)
{
    const embed_encode_options *o = c->options;
    emb_batch batch = {sequences, s->starts[sequences], s->starts, s->ids, s->type_ids};
    int32_t status = pass(s, c, first, &batch, user);
    if (status == EMBED_OK && o->progress &&
        o->progress(o->progress_user, first + sequences, c->input->count))
        status = emb_fail(&s->error, EMBED_ECANCELED,
                          "canceled by the progress callback after %lld of %lld inputs",
                          (long long)(first + sequences), (long long)c->input->count);
    return status;
}

static int32_t run_passes(embed_session *s, const call *c, pass_fn pass, void *user)
{
    int64_t first = 0, sequences = 0, used = 0;
    s->starts[0] = 0;
    for (int64_t i = 0; i < c->input->count; i++) {
        int64_t n = load_input(s, c, i, used);
        if (n < 0) return (int32_t)n;
        if (used + n > s->batch_tokens || sequences == s->max_sequences) {
            int32_t status = run_pass(s, c, first, sequences, pass, user);
            if (status < 0) return status;
            memmove(s->ids, s->ids + used, (size_t)n * sizeof *s->ids);
            memmove(s->type_ids, s->type_ids + used, (size_t)n * sizeof *s->type_ids);
            first = i;
            sequences = used = 0;
        }
        used += n;
        s->starts[++sequences] = used;
    }
    return sequences ? run_pass(s, c, first, sequences, pass, user) : EMBED_OK;
}

/* ---- token vectors ------------------------------------------------------------------------------
 */

typedef struct hidden_out {
    float *hidden;
    int64_t tokens, *offsets;
} hidden_out;

static int32_t hidden_pass(embed_session *s, const call *c, int64_t first, const emb_batch *b,
                           void *user)
{
    const hidden_out *out = user;
    int64_t h = s->model->encoder.arch.hidden_size;
    for (int64_t q = 0; q < b->sequences; q++) {
        int64_t n = b->starts[q + 1] - b->starts[q];
        if (out->offsets) out->offsets[first + q + 1] = out->offsets[first + q] + n;
        else if (n > out->tokens)
            return emb_fail(&s->error, EMBED_ERANGE,
                            "input %lld: expected at most tokens = %lld, found %lld",
                            (long long)(first + q), (long long)out->tokens, (long long)n);
    }
    /* ragged, and past the capacity: go on counting */
    if (out->offsets && out->offsets[first + b->sequences] > out->tokens) return EMBED_OK;
    if (out->tokens == 0) return EMBED_OK; /* no rows: hidden may be NULL */

    const float *x = emb_encoder_run(&s->model->encoder, &s->device, b, c->layer, &s->encoder);
    for (int64_t q = 0; q < b->sequences; q++) {
        int64_t n = b->starts[q + 1] - b->starts[q];
        int64_t row = out->offsets ? out->offsets[first + q] : (first + q) * out->tokens;
        float *to = out->hidden + row * h;
        memcpy(to, x + b->starts[q] * h, (size_t)(n * h) * sizeof *to);
        if (!out->offsets) memset(to + n * h, 0, (size_t)((out->tokens - n) * h) * sizeof *to);
    }
    return EMBED_OK;
}

int32_t emb_session_hidden(embed_session *s, const embed_input *input,
                           const embed_encode_options *o, float *hidden, int64_t tokens,
                           int64_t *offsets)
{
    call c;
    hidden_out out = {hidden, tokens, offsets};
    int32_t status = resolve(s, input, o, &c);
    if (offsets) offsets[0] = 0;
    if (status == EMBED_OK) status = run_passes(s, &c, hidden_pass, &out);
    if (status == EMBED_OK && offsets && offsets[input->count] > tokens)
        status = emb_fail(&s->error, EMBED_ERANGE, "capacity: expected %lld rows, found %lld",
                          (long long)offsets[input->count], (long long)tokens);
    return status;
}

static int32_t count_pass(embed_session *s, const call *c, int64_t first, const emb_batch *b,
                          void *user)
{
    int64_t *counts = user;
    (void)s;
    (void)c;
    for (int64_t q = 0; q < b->sequences; q++) counts[first + q] = b->starts[q + 1] - b->starts[q];
    return EMBED_OK;
}

int32_t emb_session_count(embed_session *s, const embed_input *input, const embed_encode_options *o,
                          int64_t *counts)
{
    call c;
    int32_t status = resolve(s, input, o, &c);
    return status < 0 ? status : run_passes(s, &c, count_pass, counts);
}

int64_t emb_session_tokenize(embed_session *s, const char *text, int64_t size, const char *pair,
                             int64_t pair_size, const embed_encode_options *o,
                             emb_token_arrays *out)
{
    const embed_model *m = s->model;
    call c = {.options = o};
    if (!m->tokenizer)
        return emb_fail(&s->error, EMBED_EKIND, "the model directory has no tokenizer");
    int32_t status = resolve_tokenizing(s, &c, false);
    if (status < 0) return status;
    emb_text a = c.prompt,
             b = {.data = pair,
                  .size = pair ? size_of(pair, pair_size < 0 ? NULL : &pair_size, 0) : 0};
    a.data = text;
    a.size = size_of(text, size < 0 ? NULL : &size, 0);
    return emb_tokenize(m->tokenizer, s->tokenizer_scratch, s->max_text_bytes, emb_model_longest(m),
                        &a, pair ? &b : NULL, &c.tokenize, out, &s->error);
}

/* ---- one vector per input
 * ------------------------------------------------------------------------ */

typedef struct recipe {
    const int32_t *pooling;
    int64_t pooling_count;
    bool modules, normalize_module, normalize;
    int64_t dim, full_dim; /* floats kept, and before the cut */
} recipe;

static int32_t resolve_recipe(const embed_model *m, const embed_encode_options *o, recipe *r,
                              embed_error *error)
{
    int64_t h = m->encoder.arch.hidden_size, widest, wanted;
    *r = (recipe){
        .pooling = o->pooling ? &o->pooling : m->modules.pooling,
        .pooling_count = o->pooling ? 1 : m->modules.pooling_count,
        .modules = !(o->flags & EMBED_NO_MODULES),
        .normalize_module = o->normalize != EMBED_NORMALIZE_OFF,
        .normalize = o->normalize == EMBED_NORMALIZE_ON,
    };
    if (o->pooling < 0 || o->pooling > EMBED_POOL_MEAN_ALL)
        return emb_fail(error, EMBED_EINVAL, "pooling: expected an EMBED_POOL_ value, found %d",
                        (int)o->pooling);
    if (o->normalize < 0 || o->normalize > EMBED_NORMALIZE_OFF)
        return emb_fail(error, EMBED_EINVAL,
                        "normalize: expected an EMBED_NORMALIZE_ value, found %d",
                        (int)o->normalize);
    if (o->pooling == EMBED_POOL_POOLER && !emb_encoder_has_pooler(&m->encoder))
        return emb_fail(error, EMBED_EMISSING, "pooling: the model has no pooler");
    int64_t layer = (int64_t)o->layer - 1;
    if (o->pooling == EMBED_POOL_POOLER && o->layer && layer != m->encoder.arch.num_hidden_layers)
        return emb_fail(error, EMBED_EINVAL,
                        "layer: expected the last one, which the pooler is made for, found %lld",
                        (long long)layer);
    if (r->modules && !emb_modules_take(&m->modules, r->pooling_count * h, &wanted))
        return emb_fail(
            error, EMBED_EINVAL,
            "pooling: the module after it takes %lld numbers, not %lld: leave modules out",
            (long long)wanted, (long long)(r->pooling_count * h));
    r->full_dim = r->pooling_count * h;
    if (r->modules) r->full_dim = emb_modules_dim(&m->modules, r->full_dim, &widest);
    r->dim = o->dim                    ? o->dim
             : m->modules.truncate_dim ? EMB_MIN(m->modules.truncate_dim, r->full_dim)
                                       : r->full_dim;
    if (r->dim < 1 || r->dim > r->full_dim)
        return emb_fail(error, EMBED_ERANGE, "dim: expected 1 to %lld, found %lld",
                        (long long)r->full_dim, (long long)r->dim);
    return EMBED_OK;
}

int64_t emb_output_dim(const embed_model *m, const embed_encode_options *o, embed_error *error)
{
    recipe r;
    int32_t status = resolve_recipe(m, o, &r, error);
    return status < 0 ? status : r.dim;
}

typedef struct encode_out {
    recipe recipe;
    float *vectors;
    int64_t stride;
} encode_out;

/* Pool every sequence into pooled[0][sequences][pooling_count * hidden]. */
static int32_t pool_sequences(embed_session *s, const call *c, int64_t first, const emb_batch *b,
                              const float *x, const recipe *r)
{
    int64_t h = s->model->encoder.arch.hidden_size, width = r->pooling_count * h;
    for (int64_t q = 0; q < b->sequences; q++) {
        int64_t n = b->starts[q + 1] - b->starts[q];
        const float *rows = x + b->starts[q] * h;
        if (n == 0)
            return emb_fail(&s->error, EMBED_EINVAL,
                            "input %lld: expected at least one token to pool, found none",
                            (long long)(first + q));
        for (int64_t t = 0; t < n; t++) s->mask[t] = t >= c->prompt_tokens;
        for (int64_t k = 0; k < r->pooling_count; k++) {
            int32_t pooling = r->pooling[k] == EMBED_POOL_POOLER ? EMBED_POOL_CLS : r->pooling[k];
            const int32_t *mask =
                c->prompt_tokens && r->pooling[k] != EMBED_POOL_POOLER ? s->mask : NULL;
            emb_pool_one(pooling, n, h, rows, h, mask, 0, s->pooled[0] + q * width + k * h);
        }
    }
    return EMBED_OK;
}

static int32_t encode_pass(embed_session *s, const call *c, int64_t first, const emb_batch *b,
                           void *user)
{
    const encode_out *out = user;
    const recipe *r = &out->recipe;
    const embed_model *m = s->model;
    const float *hidden = emb_encoder_run(&m->encoder, &s->device, b, c->layer, &s->encoder);
    int32_t status = pool_sequences(s, c, first, b, hidden, r);
    if (status < 0) return status;

    int64_t h = m->encoder.arch.hidden_size;
    float *x = s->pooled[0];
    float *buffers[3] = {s->pooled[0], s->pooled[1], s->pooled[2]};
    if (r->pooling[0] == EMBED_POOL_POOLER) {
        emb_linear_run(&s->device, &m->encoder.pooler, b->sequences, x, h, s->pooled[1], h);
        x = buffers[0] = s->pooled[1];
        buffers[1] = s->pooled[0];
    }
    if (r->modules)
        x = emb_modules_run(&m->modules, &s->device, r->normalize_module, b->sequences,
                            r->pooling_count * h, buffers);
    for (int64_t q = 0; q < b->sequences; q++) {
        float *vector = out->vectors + (first + q) * out->stride;
        memcpy(vector, x + q * r->full_dim, (size_t)r->dim * sizeof *vector);
        if (r->normalize) emb_normalize_rows(m->kernels, vector, 1, r->dim, r->dim);
    }
    return EMBED_OK;
}

int32_t emb_session_encode(embed_session *s, const embed_input *input,
                           const embed_encode_options *o, float *vectors, int64_t stride)
{
    call c;
    encode_out out = {.vectors = vectors, .stride = stride};
    int32_t status = resolve_recipe(s->model, o, &out.recipe, &s->error);
    if (status == EMBED_OK && stride < out.recipe.dim)
        status = emb_fail(&s->error, EMBED_EINVAL, "stride: expected at least %lld, found %lld",
                          (long long)out.recipe.dim, (long long)stride);
    if (status == EMBED_OK) status = resolve(s, input, o, &c);
    return status < 0 ? status : run_passes(s, &c, encode_pass, &out);
}

int32_t emb_session_pooler(embed_session *s, const float *cls, float *out)
{
    const emb_encoder *e = &s->model->encoder;
    if (!emb_encoder_has_pooler(e))
        return emb_fail(&s->error, EMBED_EMISSING, "the model has no pooler");
    emb_linear_run(&s->device, &e->pooler, 1, cls, e->arch.hidden_size, out, e->arch.hidden_size);
    return EMBED_OK;
}
