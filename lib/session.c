/* A session's workspace, and the cutting of a batch of inputs into passes. */
#include "inputs.h"

enum {
    DEFAULT_BATCH_TOKENS = 1024,
    MAX_BATCH_TOKENS = 1 << 30,
    MAX_SEQUENCES = 512, /* of one pass */
    DEFAULT_TEXT_BYTES = 1 << 20,
    MAX_THREADS = 1024
};

embed_error *emb_session_error(embed_session *s) { return &s->error; }

static emb_encoder_scratch *scratch_of(embed_session *s, const emb_call *c)
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
    size_t tokens = (size_t)s->batch_tokens, sequences = (size_t)s->max_sequences;
    s->starts = emb_arena_take(arena, sequences + 1, sizeof *s->starts);
    s->failed = emb_arena_take(arena, sequences, sizeof *s->failed);
    s->told = emb_arena_take(arena, sequences, sizeof *s->told);
    s->pool = pool ? emb_arena_take(arena, emb_pool_size(threads), 1) : NULL;
    for (int i = 0; i < 3; i++)
        s->pooled[i] = emb_arena_take(arena, sequences, (size_t)widest_vector(m) * sizeof(float));
    s->mask = emb_arena_take(arena, tokens, sizeof *s->mask);
    s->ids = emb_arena_take(arena, 2 * tokens, sizeof *s->ids);
    s->type_ids = emb_arena_take(arena, 2 * tokens, sizeof *s->type_ids);
    if (m->tokenizer)
        s->tokenizer_scratch = emb_arena_take(
            arena,
            emb_tokenizer_scratch_size(m->tokenizer, s->max_text_bytes, emb_model_longest(m)), 1);
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

/* The tower that takes an input; that of texts where there is nothing to tell. */
static const emb_encoder *tower_of(const embed_model *m, const embed_input *input)
{
    bool images = input->images || (!input->texts && !input->ids && !m->text.arch.hidden_size);
    return images ? &m->image : &m->text;
}

static int32_t resolve(embed_session *s, const embed_input *input, const embed_encode_options *o,
                       emb_call *c)
{
    const embed_model *m = s->model;
    bool images = tower_of(m, input) == &m->image;
    *c = (emb_call){.options = o, .input = input, .encoder = images ? &m->image : &m->text};
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
    else if (!path && c->input->count > 1)
        emb_fail_in(&s->error, "input %lld", (long long)i);
    if (c->options->failed &&
        c->options->failed(c->options->failed_user, i, s->error.status, s->error.message) == 0)
        return EMBED_OK;
    return s->error.status;
}

int32_t emb_call_progress(embed_session *s, const emb_call *c, int64_t done)
{
    const embed_encode_options *o = c->options;
    if (!o->progress || o->progress(o->progress_user, done, c->input->count) == 0) return EMBED_OK;
    return emb_fail(&s->error, EMBED_ECANCELED,
                    "canceled by the progress callback after %lld of %lld inputs", (long long)done,
                    (long long)c->input->count);
}

/* ---- passes ---------------------------------------------------------------------------------- */

/* A pass: inputs first .. first + batch.sequences - 1, packed. Those in s->failed have no vectors. */
typedef int32_t (*pass_fn)(embed_session *s, const emb_call *c, int64_t first,
                           const emb_batch *batch, void *user);

static int32_t run_pass(embed_session *s, const emb_call *c, int64_t first, int64_t sequences,
                        pass_fn pass, void *user)
{
    emb_batch batch = {
        .sequences = sequences,
        .tokens = s->starts[sequences],
        .starts = s->starts,
        .ids = s->ids,
        .type_ids = s->type_ids,
        .grid_height = s->grid[0],
        .grid_width = s->grid[1],
        .pixels = s->pixels,
    };
    int32_t status = pass(s, c, first, &batch, user);
    return status < 0 ? status : emb_call_progress(s, c, first + sequences);
}

/* Input i joins the pass behind `used` tokens; how many it has, 0 if it cannot be used and that is
 * known, or a negative status. */
static int64_t add_input(embed_session *s, const emb_call *c, int64_t i, int64_t used,
                         int64_t grid[2], bool *failed)
{
    int64_t n =
        c->input->images ? emb_image_measure(s, c, i, grid) : emb_text_load(s, c, i, used);
    *failed = n < 0;
    return n < 0 ? emb_call_failed(s, c, i) : n;
}

static int32_t run_passes(embed_session *s, const emb_call *c, pass_fn pass, void *user)
{
    int64_t first = 0, sequences = 0, used = 0, grid[2] = {0};
    bool failed;
    s->starts[0] = 0;
    s->grid[0] = s->grid[1] = 0;
    for (int64_t i = 0; i < c->input->count; i++) {
        int64_t n = add_input(s, c, i, used, grid, &failed);
        if (n < 0) return (int32_t)n;
        bool other = !failed && s->grid[0] && (grid[0] != s->grid[0] || grid[1] != s->grid[1]);
        if (used + n > s->batch_tokens || sequences == s->max_sequences || other) {
            int32_t status = run_pass(s, c, first, sequences, pass, user);
            if (status < 0) return status;
            memmove(s->ids, s->ids + used, (size_t)n * sizeof *s->ids);
            memmove(s->type_ids, s->type_ids + used, (size_t)n * sizeof *s->type_ids);
            first = i;
            sequences = used = 0;
        }
        if (!failed) memcpy(s->grid, grid, sizeof grid);
        s->failed[sequences] = s->told[sequences] = failed;
        used += n;
        s->starts[++sequences] = used;
    }
    return sequences ? run_pass(s, c, first, sequences, pass, user) : EMBED_OK;
}

/* The token vectors of a pass, [tokens][hidden_size]. */
static int32_t run_encoder(embed_session *s, const emb_call *c, int64_t first, const emb_batch *b,
                           const float **x)
{
    int32_t status = c->input->images ? emb_images_load(s, c, first, b->sequences) : EMBED_OK;
    if (status == EMBED_OK)
        *x = emb_encoder_run(c->encoder, &s->device, b, c->layer, scratch_of(s, c));
    return status;
}

static void fill_nan(float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = NAN;
}

/* ---- token vectors ---------------------------------------------------------------------------- */

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

static int32_t hidden_pass(embed_session *s, const emb_call *c, int64_t first, const emb_batch *b,
                           void *user)
{
    const hidden_out *out = user;
    int64_t h = c->encoder->arch.hidden_size;
    bool fits = false;
    const float *x;
    int32_t status = place_rows(s, first, b, out, &fits);
    if (status < 0 || !fits) return status;
    status = run_encoder(s, c, first, b, &x);
    if (status < 0) return status;
    for (int64_t q = 0; q < b->sequences; q++) {
        int64_t n = b->starts[q + 1] - b->starts[q];
        int64_t row = out->offsets ? out->offsets[first + q] : (first + q) * out->tokens;
        float *to = out->hidden + row * h;
        memcpy(to, x + b->starts[q] * h, (size_t)(n * h) * sizeof *to);
        if (!out->offsets) memset(to + n * h, 0, (size_t)((out->tokens - n) * h) * sizeof *to);
        if (s->failed[q]) fill_nan(to, (out->offsets ? n : out->tokens) * h);
    }
    return EMBED_OK;
}

int32_t emb_session_hidden(embed_session *s, const embed_input *input,
                           const embed_encode_options *o, float *hidden, int64_t tokens,
                           int64_t *offsets)
{
    emb_call c;
    hidden_out out = {hidden, tokens, offsets};
    int32_t status = resolve(s, input, o, &c);
    if (offsets) offsets[0] = 0;
    if (status == EMBED_OK) status = run_passes(s, &c, hidden_pass, &out);
    if (status == EMBED_OK && offsets && offsets[input->count] > tokens)
        status = emb_fail(&s->error, EMBED_ERANGE, "capacity: expected %lld rows, found %lld",
                          (long long)offsets[input->count], (long long)tokens);
    return status;
}

static int32_t count_pass(embed_session *s, const emb_call *c, int64_t first, const emb_batch *b,
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
    emb_call c;
    int32_t status = resolve(s, input, o, &c);
    return status < 0 ? status : run_passes(s, &c, count_pass, counts);
}

/* ---- one vector per input ----------------------------------------------------------------------- */

typedef struct recipe {
    const int32_t *pooling;
    int64_t pooling_count;
    int64_t pooled_dim; /* floats in all poolings together */
    bool modules, normalize_module, normalize;
    int64_t dim, full_dim; /* floats kept, and before the cut */
} recipe;

static bool by_pooler(const recipe *r)
{
    return r->pooling[0] == EMBED_POOL_POOLER || r->pooling[0] == EMBED_POOL_PROJECTION ||
           r->pooling[0] == EMBED_POOL_SCORES;
}

static emb_pooler_out what_of(int32_t pooling)
{
    return pooling == EMBED_POOL_PROJECTION ? EMB_OUT_PROJECTION
           : pooling == EMBED_POOL_SCORES   ? EMB_OUT_SCORES
                                            : EMB_OUT_POOLER;
}

static int32_t resolve_pooling(const embed_model *m, const emb_encoder *e,
                               const embed_encode_options *o, recipe *r, embed_error *error)
{
    const emb_architecture *a = &e->arch;
    r->pooling = o->pooling ? &o->pooling : m->modules.pooling;
    r->pooling_count = o->pooling ? 1 : m->modules.pooling_count;
    r->pooled_dim = r->pooling_count * a->hidden_size;
    if (o->pooling < 0 || o->pooling > EMBED_POOL_SCORES)
        return emb_fail(error, EMBED_EINVAL, "pooling: expected an EMBED_POOL_ value, found %d",
                        (int)o->pooling);
    if (!a->hidden_size)
        return emb_fail(error, EMBED_EMISSING, "the model was opened without an encoder");
    if (r->pooling[0] == EMBED_POOL_PATCHES && !emb_takes_images(a))
        return emb_fail(error, EMBED_EKIND, "pooling: patches are of images, the model takes texts");
    if (!by_pooler(r)) return EMBED_OK;
    static const char *const names[] = {"pooler", "projection", "sequence-classification head"};
    emb_pooler_out what = what_of(r->pooling[0]);
    bool there = what == EMB_OUT_SCORES ? a->num_labels > 0
                                        : e->has_pooler && emb_pooler_dim(e, what) > 0;
    if (!there)
        return emb_fail(error, EMBED_EMISSING, "pooling: the model has no %s", names[what]);
    if (what == EMB_OUT_SCORES) r->modules = false; /* which are for vectors */
    int64_t layer = (int64_t)o->layer - 1;
    if (o->layer && (layer != a->num_hidden_layers || e->final_norm.gamma))
        return emb_fail(error, EMBED_EINVAL,
                        "layer: expected the last one, which the pooler is made for, found %lld",
                        (long long)layer);
    r->pooled_dim = emb_pooler_dim(e, what);
    return EMBED_OK;
}

static int32_t resolve_recipe(const embed_model *m, const emb_encoder *e,
                              const embed_encode_options *o, recipe *r, embed_error *error)
{
    int64_t widest, wanted;
    *r = (recipe){
        .modules = !(o->flags & EMBED_NO_MODULES),
        .normalize_module = o->normalize != EMBED_NORMALIZE_OFF,
        .normalize = o->normalize == EMBED_NORMALIZE_ON,
    };
    int32_t status = resolve_pooling(m, e, o, r, error);
    if (status < 0) return status;
    if (o->normalize < 0 || o->normalize > EMBED_NORMALIZE_OFF)
        return emb_fail(error, EMBED_EINVAL,
                        "normalize: expected an EMBED_NORMALIZE_ value, found %d",
                        (int)o->normalize);
    if (r->modules && !emb_modules_take(&m->modules, r->pooled_dim, &wanted))
        return emb_fail(
            error, EMBED_EINVAL,
            "pooling: the module after it takes %lld numbers, not %lld: leave modules out",
            (long long)wanted, (long long)r->pooled_dim);
    r->full_dim =
        r->modules ? emb_modules_dim(&m->modules, r->pooled_dim, &widest) : r->pooled_dim;
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
    bool images = (o->flags & EMBED_FOR_IMAGES) && m->image.arch.hidden_size;
    recipe r;
    int32_t status = resolve_recipe(m, images ? &m->image : emb_model_tower(m), o, &r, error);
    return status < 0 ? status : r.dim;
}

typedef struct encode_out {
    recipe recipe;
    float *vectors;
    int64_t stride;
} encode_out;

/* All poolings of one sequence to out[pooled_dim]. */
static void pool_one(embed_session *s, const emb_call *c, const float *x, int64_t n,
                     const recipe *r, float *out)
{
    int64_t h = c->encoder->arch.hidden_size;
    for (int64_t t = 0; c->prompt_tokens && t < n; t++) s->mask[t] = t >= c->prompt_tokens;
    for (int64_t k = 0; k < r->pooling_count; k++, out += h) {
        bool patches = r->pooling[k] == EMBED_POOL_PATCHES;
        int64_t skip = patches ? c->encoder->arch.image.prefix : 0;
        emb_pool_one(patches ? EMBED_POOL_MEAN : r->pooling[k], n - skip, h, x + skip * h, h,
                     c->prompt_tokens ? s->mask : NULL, 0, out);
    }
}

/* Pool every sequence into pooled[0][sequences][pooled_dim]. */
static int32_t pool_sequences(embed_session *s, const emb_call *c, int64_t first,
                              const emb_batch *b, const float *x, const recipe *r)
{
    for (int64_t q = 0; q < b->sequences; q++)
        if (!s->failed[q] && b->starts[q] == b->starts[q + 1]) {
            emb_fail(&s->error, EMBED_EINVAL, "expected at least one token to pool, found none");
            int32_t status = emb_call_failed(s, c, first + q);
            if (status < 0) return status;
            s->failed[q] = true;
        }
    if (by_pooler(r)) {
        emb_encoder_scratch *scratch = scratch_of(s, c);
        emb_pooler_rows(c->encoder, &s->device, b, x, scratch, s->pooled[1]);
        emb_pooler_finish(c->encoder, &s->device, b->sequences, what_of(r->pooling[0]), s->pooled[1],
                          scratch, s->pooled[0]);
        if (r->pooling[0] == EMBED_POOL_SCORES && !(c->options->flags & EMBED_NO_MODULES))
            s->device.kernels->bias_act_f32(b->sequences, r->pooled_dim, s->pooled[0], r->pooled_dim,
                                            NULL, c->encoder->arch.score_act);
        return EMBED_OK;
    }
    int64_t h = c->encoder->arch.hidden_size;
    for (int64_t q = 0; q < b->sequences; q++) {
        float *out = s->pooled[0] + q * r->pooled_dim;
        if (s->failed[q]) memset(out, 0, (size_t)r->pooled_dim * sizeof *out);
        else pool_one(s, c, x + b->starts[q] * h, b->starts[q + 1] - b->starts[q], r, out);
    }
    return EMBED_OK;
}

static int32_t encode_pass(embed_session *s, const emb_call *c, int64_t first, const emb_batch *b,
                           void *user)
{
    const encode_out *out = user;
    const recipe *r = &out->recipe;
    const embed_model *m = s->model;
    const float *hidden;
    int32_t status = run_encoder(s, c, first, b, &hidden);
    if (status == EMBED_OK) status = pool_sequences(s, c, first, b, hidden, r);
    if (status < 0) return status;

    const float *x = s->pooled[0];
    if (r->modules)
        x = emb_modules_run(&m->modules, &s->device, r->normalize_module, b->sequences,
                            r->pooled_dim, s->pooled);
    for (int64_t q = 0; q < b->sequences; q++) {
        float *vector = out->vectors + (first + q) * out->stride;
        memcpy(vector, x + q * r->full_dim, (size_t)r->dim * sizeof *vector);
        if (s->failed[q]) fill_nan(vector, r->dim);
        else if (r->normalize) emb_normalize_rows(m->kernels, vector, 1, r->dim, r->dim);
    }
    return EMBED_OK;
}

int32_t emb_session_encode(embed_session *s, const embed_input *input,
                           const embed_encode_options *o, float *vectors, int64_t stride)
{
    emb_call c;
    encode_out out = {.vectors = vectors, .stride = stride};
    const emb_encoder *tower = tower_of(s->model, input);
    if (!tower->arch.hidden_size) tower = emb_model_tower(s->model); /* resolve refuses the input */
    int32_t status = resolve_recipe(s->model, tower, o, &out.recipe, &s->error);
    if (status == EMBED_OK && stride < out.recipe.dim)
        status = emb_fail(&s->error, EMBED_EINVAL, "stride: expected at least %lld, found %lld",
                          (long long)out.recipe.dim, (long long)stride);
    if (status == EMBED_OK) status = resolve(s, input, o, &c);
    return status < 0 ? status : run_passes(s, &c, encode_pass, &out);
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
