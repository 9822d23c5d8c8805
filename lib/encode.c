/* One vector for each input: the recipe by which token vectors become a vector, and running it. */
#include "inputs.h"

/* ---- the recipe --------------------------------------------------------------------------- */

static bool by_pooler(const emb_recipe *r)
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
                               const embed_encode_options *o, emb_recipe *r, embed_error *error)
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

int32_t emb_recipe_resolve(const embed_model *m, const emb_encoder *e,
                           const embed_encode_options *o, emb_recipe *r, embed_error *error)
{
    int64_t widest, wanted;
    *r = (emb_recipe){
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
    emb_recipe r;
    int32_t status = emb_recipe_resolve(m, images ? &m->image : emb_model_tower(m), o, &r, error);
    return status < 0 ? status : r.dim;
}

typedef struct encode_out {
    emb_recipe recipe;
    float *vectors;
    int64_t stride;
} encode_out;

/* All poolings of one sequence to out[pooled_dim]. */
static void pool_one(embed_session *s, const emb_call *c, const float *x, int64_t n,
                     const emb_recipe *r, float *out)
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
static int32_t pool_sequences(embed_session *s, const emb_call *c, const emb_batch *b,
                              const float *x, const emb_recipe *r)
{
    bool refused = !c->encoder->arch.static_kind; /* a text without tokens */
    for (int64_t q = 0; q < b->sequences; q++)
        if (refused && !s->failed[q] && b->starts[q] == b->starts[q + 1]) {
            emb_fail(&s->error, EMBED_EINVAL, "expected at least one token to pool, found none");
            int32_t status = emb_call_failed(s, c, s->owners[q]);
            if (status < 0) return status;
            s->failed[q] = true;
        }
    if (by_pooler(r)) {
        emb_encoder_scratch *scratch = emb_scratch_of(s, c);
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
        int64_t n = b->starts[q + 1] - b->starts[q];
        if (s->failed[q] || !n) memset(out, 0, (size_t)r->pooled_dim * sizeof *out);
        else pool_one(s, c, x + b->starts[q] * h, n, r, out);
    }
    return EMBED_OK;
}

/* Rows of windows become a row of their input: pooled[0][sequences] -> pooled[0][inputs that are done],
 * with owners and failed. How many rows there are then. */
static int64_t fold_windows(embed_session *s, int64_t sequences, int64_t dim)
{
    int64_t rows = 0;
    for (int64_t q = 0; q < sequences; q++) {
        float *x = s->pooled[0] + q * dim, *row = s->pooled[0] + rows * dim;
        bool part = s->more[q] || s->weight;
        for (int64_t i = 0; part && i < dim; i++)
            s->sum[i] = (s->weight ? s->sum[i] : 0.0) + (double)s->text_tokens[q] * (double)x[i];
        if (part) s->weight += s->text_tokens[q];
        if (s->more[q]) continue;
        for (int64_t i = 0; part && i < dim; i++) row[i] = (float)(s->sum[i] / (double)s->weight);
        if (!part) memmove(row, x, (size_t)dim * sizeof *x);
        s->weight = 0;
        s->owners[rows] = s->owners[q];
        s->failed[rows++] = s->failed[q];
    }
    return rows;
}

void emb_recipe_finish(embed_session *s, const emb_recipe *r, int64_t rows, float *vectors,
                       int64_t stride)
{
    const embed_model *m = s->model;
    const float *x = s->pooled[0];
    if (r->modules)
        x = emb_modules_run(&m->modules, &s->device, r->normalize_module, rows, r->pooled_dim,
                            s->pooled);
    for (int64_t i = 0; i < rows; i++) {
        float *vector = vectors + s->owners[i] * stride;
        memcpy(vector, x + i * r->full_dim, (size_t)r->dim * sizeof *vector);
        if (s->failed[i]) emb_fill_nan(vector, r->dim);
        else if (r->normalize) emb_normalize_rows(m->kernels, vector, 1, r->dim, r->dim);
    }
}

static int32_t encode_pass(embed_session *s, const emb_call *c, const emb_batch *b, void *user)
{
    const encode_out *out = user;
    const emb_recipe *r = &out->recipe;
    const float *hidden;
    int32_t status = emb_run_encoder(s, c, b, &hidden);
    if (status == EMBED_OK) status = pool_sequences(s, c, b, hidden, r);
    if (status < 0) return status;
    int64_t rows = c->windows ? fold_windows(s, b->sequences, r->pooled_dim) : b->sequences;
    emb_recipe_finish(s, r, rows, out->vectors, out->stride);
    return EMBED_OK;
}

int32_t emb_session_encode(embed_session *s, const embed_input *input,
                           const embed_encode_options *o, float *vectors, int64_t stride)
{
    emb_call c;
    encode_out out = {.vectors = vectors, .stride = stride};
    const emb_encoder *tower = emb_tower_of(s->model, input);
    if (!tower->arch.hidden_size) tower = emb_model_tower(s->model); /* resolve refuses the input */
    int32_t status = emb_recipe_resolve(s->model, tower, o, &out.recipe, &s->error);
    if (status == EMBED_OK && stride < out.recipe.dim)
        status = emb_fail(&s->error, EMBED_EINVAL, "stride: expected at least %lld, found %lld",
                          (long long)out.recipe.dim, (long long)stride);
    if (status == EMBED_OK && o->long_texts == EMBED_LONG_TEXTS_WINDOWS &&
        out.recipe.pooling[0] == EMBED_POOL_SCORES)
        status = emb_fail(&s->error, EMBED_EKIND,
                          "long_texts: windows are for vectors, the pooling is of scores");
    if (status == EMBED_OK) status = emb_call_resolve(s, input, o, &c);
    return status < 0 ? status : emb_run_passes(s, &c, encode_pass, &out);
}

