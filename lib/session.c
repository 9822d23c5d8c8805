/* A session's workspace, a call on it, and the token vectors that come out of passes. */
#include "inputs.h"

enum {
    DEFAULT_BATCH_TOKENS = 1024,
    MAX_BATCH_TOKENS = 1 << 30,
    MAX_SEQUENCES = 512, /* of one pass */
    DEFAULT_TEXT_BYTES = 1 << 20,
    MAX_THREADS = 1024
};

embed_error *emb_session_error(embed_session *s) { return &s->error; }

emb_encoder_scratch *emb_scratch_of(embed_session *s, const emb_call *c)
{
    return &s->scratch[c->encoder == &s->model->image ? EMB_IMAGE : EMB_TEXT];
}

/* ---- workspace ----------------------------------------------------------------- */

static int64_t widest_vector(const embed_model *m)
{
    int64_t widest = 0, chain;
    const emb_encoder *towers[] = {&m->text, &m->image};
    for (int64_t i = 0; i < EMB_COUNT(towers); i++) {
        const emb_architecture *a = &towers[i]->arch;
        int64_t tokens = EMB_MAX(m->modules.pooling_count, 1) * a->hidden_size;
        widest = EMB_MAX(widest, EMB_MAX(tokens, EMB_MAX(a->pooler_size, a->projection_size)));
        widest = EMB_MAX(widest, a->num_labels);
    }
    emb_modules_dim(&m->modules, widest, &chain);
    return EMB_MAX(widest, chain);
}

/* Cut the workspace: over a planning arena this only counts. */
static void plan(embed_session *s, const embed_model *m, int32_t threads, bool pool,
                 emb_arena *arena)
{
    size_t sequences = (size_t)s->max_sequences;
    s->starts = emb_arena_take(arena, sequences + 1, sizeof *s->starts);
    s->failed = emb_arena_take(arena, sequences, sizeof *s->failed);
    s->told = emb_arena_take(arena, sequences, sizeof *s->told);
    s->owners = emb_arena_take(arena, sequences, sizeof *s->owners);
    s->text_tokens = emb_arena_take(arena, sequences, sizeof *s->text_tokens);
    s->more = emb_arena_take(arena, sequences, sizeof *s->more);
    s->sum = emb_arena_take(arena, (size_t)widest_vector(m), sizeof *s->sum);
    s->pool = pool ? emb_arena_take(arena, emb_pool_size(threads), 1) : NULL;
    for (int i = 0; i < 3; i++)
        s->pooled[i] = emb_arena_take(arena, sequences, (size_t)widest_vector(m) * sizeof(float));
    emb_texts_plan(s, m, threads, arena);
    emb_images_plan(s, m, threads, arena);
    if (m->text.arch.hidden_size)
        emb_encoder_plan(&m->text, s->batch_tokens, threads, arena, &s->scratch[EMB_TEXT]);
    if (m->image.arch.hidden_size)
        emb_encoder_plan(&m->image, s->batch_tokens, threads, arena, &s->scratch[EMB_IMAGE]);
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
    if (o->max_image_side < 0 || o->max_image_side > EMB_MAX_SIDE)
        return emb_fail(error, EMBED_EINVAL, "max_image_side: expected 0 to %lld, found %lld",
                        (long long)EMB_MAX_SIDE, (long long)o->max_image_side);
    return EMBED_OK;
}

/* Tokens of the longest input that the model's own files make. */
static int64_t usual_tokens(const embed_model *m)
{
    const emb_image_tokens *t = &m->image.arch.image;
    int64_t longest = emb_model_longest(m), size[2] = {t->height, t->width};
    if (!m->image.arch.hidden_size) return longest;
    if (m->has_processor) emb_image_processor_size(&m->processor, t->width, t->height, size, NULL);
    return EMB_MAX(longest,
                   t->prefix + (size[0] / t->patch_height) * (size[1] / t->patch_width));
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
            o->batch_tokens ? o->batch_tokens : EMB_MAX(DEFAULT_BATCH_TOKENS, usual_tokens(m)),
        .max_text_bytes = o->max_text_bytes ? o->max_text_bytes : DEFAULT_TEXT_BYTES,
        .max_image_side = o->max_image_side,
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

/* ---- a call ---------------------------------------------------------------------------- */

static int32_t resolve_layer(embed_session *s, emb_call *c)
{
    int64_t layers = c->encoder->arch.num_hidden_layers;
    c->layer = c->options->layer ? (int64_t)c->options->layer - 1 : EMB_LAST;
    if (c->options->layer && (c->layer < 0 || c->layer > layers))
        return emb_fail(&s->error, EMBED_ERANGE, "layer: expected 0 to %lld, found %lld",
                        (long long)layers, (long long)c->layer);
    return EMBED_OK;
}

const emb_encoder *emb_tower_of(const embed_model *m, const embed_input *input)
{
    bool images = input->images || (!input->texts && !input->ids && !m->text.arch.hidden_size);
    return images ? &m->image : &m->text;
}

int32_t emb_call_resolve(embed_session *s, const embed_input *input,
                         const embed_encode_options *o, emb_call *c)
{
    const embed_model *m = s->model;
    bool images = emb_tower_of(m, input) == &m->image;
    *c = (emb_call){.options = o, .input = input, .unit = "input", .total = input->count,
                    .encoder = images ? &m->image : &m->text};
    if (!c->encoder->arch.hidden_size)
        return !m->image.arch.hidden_size && !m->text.arch.hidden_size
                   ? emb_fail(&s->error, EMBED_EMISSING, "the model was opened without an encoder")
                   : emb_fail(&s->error, EMBED_EKIND, "the model takes no %s, it takes %s",
                              images ? "images" : "texts", images ? "texts" : "images");
    int32_t status = resolve_layer(s, c);
    if (status < 0) return status;
    return images ? emb_images_resolve(s, c) : emb_texts_resolve(s, c);
}

int32_t emb_call_failed(embed_session *s, const emb_call *c, int64_t i)
{
    const char *path = c->input->images ? c->input->images[i].path : NULL;
    if (path && strncmp(s->error.message, path, strlen(path)) != 0)
        emb_fail_in(&s->error, "%s", path);
    else if (!path && c->total > 1)
        emb_fail_in(&s->error, "%s %lld", c->unit, (long long)i);
    if (c->options->failed &&
        c->options->failed(c->options->failed_user, i, s->error.status, s->error.message) == 0)
        return EMBED_OK;
    return s->error.status;
}

int32_t emb_call_progress(embed_session *s, const emb_call *c, int64_t done)
{
    const embed_encode_options *o = c->options;
    if (!o->progress || o->progress(o->progress_user, done, c->total) == 0) return EMBED_OK;
    return emb_fail(&s->error, EMBED_ECANCELED,
                    "canceled by the progress callback after %lld of %lld %ss", (long long)done,
                    (long long)c->total, c->unit);
}

/* ---- token vectors ---------------------------------------------------------------------------- */

int32_t emb_run_encoder(embed_session *s, const emb_call *c, const emb_batch *b, const float **x)
{
    int32_t status = c->input->images ? emb_images_load(s, c, s->owners[0], b->sequences) : EMBED_OK;
    if (status == EMBED_OK)
        *x = emb_encoder_run(c->encoder, &s->device, b, c->layer, emb_scratch_of(s, c));
    return status;
}

void emb_fill_nan(float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = NAN;
}

typedef struct hidden_out {
    float *hidden;
    int64_t tokens, *offsets;
} hidden_out;

/* Room for the rows of a pass. *fits false: there is none, and only the counting goes on. */
static int32_t place_rows(embed_session *s, int64_t first, const emb_batch *b,
                          const hidden_out *out, bool *fits)
{
    for (int64_t q = 0; q < b->sequences; q++) {
        int64_t n = b->starts[q + 1] - b->starts[q];
        if (out->offsets) out->offsets[first + q + 1] = out->offsets[first + q] + n;
        else if (n > out->tokens)
            return emb_fail(&s->error, EMBED_ERANGE,
                            "input %lld: expected at most tokens = %lld, found %lld",
                            (long long)(first + q), (long long)out->tokens, (long long)n);
    }
    *fits = out->tokens > 0 && !(out->offsets && out->offsets[first + b->sequences] > out->tokens);
    return EMBED_OK;
}

static int32_t hidden_pass(embed_session *s, const emb_call *c, const emb_batch *b,
                           void *user)
{
    const hidden_out *out = user;
    int64_t h = c->encoder->arch.hidden_size;
    int64_t first = s->owners[0];
    bool fits = false;
    const float *x;
    int32_t status = place_rows(s, first, b, out, &fits);
    if (status < 0 || !fits) return status;
    status = emb_run_encoder(s, c, b, &x);
    if (status < 0) return status;
    for (int64_t q = 0; q < b->sequences; q++) {
        int64_t n = b->starts[q + 1] - b->starts[q];
        int64_t row = out->offsets ? out->offsets[first + q] : (first + q) * out->tokens;
        float *to = out->hidden + row * h;
        memcpy(to, x + b->starts[q] * h, (size_t)(n * h) * sizeof *to);
        if (!out->offsets) memset(to + n * h, 0, (size_t)((out->tokens - n) * h) * sizeof *to);
        if (s->failed[q]) emb_fill_nan(to, (out->offsets ? n : out->tokens) * h);
    }
    return EMBED_OK;
}

int32_t emb_session_hidden(embed_session *s, const embed_input *input,
                           const embed_encode_options *o, float *hidden, int64_t tokens,
                           int64_t *offsets)
{
    emb_call c;
    hidden_out out = {hidden, tokens, offsets};
    int32_t status = emb_call_resolve(s, input, o, &c);
    if (offsets) offsets[0] = 0;
    if (status == EMBED_OK && c.windows)
        status = emb_fail(&s->error, EMBED_EKIND, "long_texts: windows become one vector, and have no "
                          "token vectors of one text");
    if (status == EMBED_OK) status = emb_run_passes(s, &c, hidden_pass, &out);
    if (status == EMBED_OK && offsets && offsets[input->count] > tokens)
        status = emb_fail(&s->error, EMBED_ERANGE, "capacity: expected %lld rows, found %lld",
                          (long long)offsets[input->count], (long long)tokens);
    return status;
}

static int32_t count_pass(embed_session *s, const emb_call *c, const emb_batch *b, void *user)
{
    int64_t *counts = user;
    (void)c;
    for (int64_t q = 0; q < b->sequences; q++)
        counts[s->owners[q]] += b->starts[q + 1] - b->starts[q];
    return EMBED_OK;
}

int32_t emb_session_count(embed_session *s, const embed_input *input, const embed_encode_options *o,
                          int64_t *counts)
{
    emb_call c;
    int32_t status = emb_call_resolve(s, input, o, &c);
    for (int64_t i = 0; status == EMBED_OK && i < input->count; i++) counts[i] = 0;
    return status < 0 ? status : emb_run_passes(s, &c, count_pass, counts);
}

int32_t emb_session_pooler(embed_session *s, const float *cls, float *out)
{
    const embed_model *m = s->model;
    const emb_encoder *e = m->text.arch.hidden_size ? &m->text : &m->image;
    if (!e->has_pooler) return emb_fail(&s->error, EMBED_EMISSING, "the model has no pooler");
    if (e->arch.pooler != EMB_POOLER_CLS)
        return emb_fail(&s->error, EMBED_EMISSING,
                        "the model's pooler needs all tokens: encode with EMBED_POOL_POOLER");
    memcpy(s->pooled[1], cls, (size_t)e->arch.hidden_size * sizeof *cls);
    emb_pooler_finish(e, &s->device, 1, EMB_OUT_POOLER, s->pooled[1], &s->scratch[e == &m->image], out);
    return EMBED_OK;
}
