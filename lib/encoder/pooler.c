/* pooler_output: what a model's authors make of last_hidden_state with weights of their own. */
#include "encoder.h"

int64_t emb_pooler_dim(const emb_encoder *e, emb_pooler_out what)
{
    switch (what) {
    case EMB_OUT_PROJECTION: return e->arch.projection_size;
    case EMB_OUT_SCORES: return e->arch.num_labels;
    default: return e->arch.pooler_size;
    }
}

/* context[sequences][hidden]: one learned query over all tokens of each image */
static void attend(const emb_encoder *e, const emb_device *d, const emb_batch *b, const float *x,
                   emb_encoder_scratch *s)
{
    int64_t h = e->arch.hidden_size, ld = 2 * e->key_part;
    emb_attention pool = e->attention;
    pool.one_query = true;
    emb_linear_run(d, &e->pooler.key_value, b->tokens, x, h, s->qkv, ld);
    emb_attention_run(d, &pool, NULL, b->sequences, b->starts, e->pooler.query, s->qkv,
                      s->qkv + e->key_part, ld, s->context, h, s->attention, s->attention_per_thread);
}

/* Where in a sequence the row, or the rows, begin. */
static int64_t first_token(const emb_encoder *e, const emb_batch *b, int64_t sequence)
{
    int64_t start = b->starts[sequence], n = b->starts[sequence + 1] - start, largest = 0;
    const int32_t *ids = b->ids + start;
    switch (e->arch.pooler) {
    case EMB_POOLER_PATCHES: return e->arch.image.prefix;
    case EMB_POOLER_LAST: return EMB_MAX(n - 1, 0);
    case EMB_POOLER_LAST_UNPADDED:
        for (int64_t i = n - 1; i > 0; i--)
            if (ids[i] != e->arch.pad_token_id) return i;
        return 0;
    case EMB_POOLER_EOS:
        for (int64_t i = 0; i < n; i++) {
            if (ids[i] == e->arch.eos_token_id) return i;
            if (ids[i] > ids[largest]) largest = i;
        }
        return e->arch.eos_token_id == EMB_EOS_LARGEST ? largest : 0;
    default: return 0;
    }
}

void emb_pooler_rows(const emb_encoder *e, const emb_device *d, const emb_batch *b, const float *x,
                     emb_encoder_scratch *s, float *rows)
{
    int64_t h = e->arch.hidden_size;
    if (e->arch.pooler == EMB_POOLER_HEAD) {
        attend(e, d, b, x, s);
        emb_linear_run(d, &e->pooler.output, b->sequences, s->context, h, rows, h);
        return;
    }
    bool patches = e->arch.pooler == EMB_POOLER_PATCHES;
    for (int64_t q = 0; q < b->sequences; q++) {
        int64_t start = b->starts[q] + first_token(e, b, q), n = b->starts[q + 1] - start;
        emb_pool_one(patches ? EMBED_POOL_MEAN : EMBED_POOL_CLS, n, h, x + start * h, h, NULL, 0,
                     rows + q * h);
    }
}

/* rows += mlp(norm(rows)) */
static void run_head_mlp(const emb_encoder *e, const emb_device *d, int64_t count, float *rows,
                         const emb_encoder_scratch *s)
{
    const emb_pooler *p = &e->pooler;
    int64_t h = e->arch.hidden_size, wide = e->arch.intermediate_size;
    emb_norm_run(d, &p->norm, count, h, rows, NULL, NULL, s->context);
    for (int64_t at = 0; at < count; at += EMB_MLP_ROWS) {
        int64_t n = EMB_MIN(count - at, EMB_MLP_ROWS);
        float *y = s->context + at * h;
        emb_linear_run(d, &p->mlp[0], n, y, h, s->mlp, wide);
        emb_linear_product(d, &p->mlp[1], n, s->mlp, wide, y, h);
    }
    emb_add_run(d, count, h, s->context, p->mlp[1].bias, NULL, rows);
}

void emb_pooler_finish(const emb_encoder *e, const emb_device *d, int64_t count,
                       emb_pooler_out what, float *rows, emb_encoder_scratch *s, float *out)
{
    const emb_pooler *p = &e->pooler;
    const emb_linear *last = what == EMB_OUT_PROJECTION ? &p->projection : &p->classifier;
    int64_t h = e->arch.hidden_size, size = e->arch.pooler_size;
    if (what == EMB_OUT_SCORES && p->classifier_dense.weight.data) {
        emb_linear_run(d, &p->classifier_dense, count, rows, h, s->qkv, h);
        if (p->classifier_norm.gamma)
            emb_norm_run(d, &p->classifier_norm, count, h, s->qkv, NULL, NULL, s->qkv);
        emb_linear_run(d, last, count, s->qkv, h, out, e->arch.num_labels);
        return;
    }
    if (!size) size = h; /* a head of what is pooled */
    float *x = rows; /* [count][size] from here on */
    if (p->mlp[0].weight.data) run_head_mlp(e, d, count, rows, s);
    else if (p->norm.gamma) emb_norm_run(d, &p->norm, count, h, rows, NULL, NULL, rows);
    if (p->dense.weight.data) {
        x = what == EMB_OUT_POOLER ? out : s->qkv;
        emb_linear_run(d, &p->dense, count, rows, h, x, size);
    }
    if (what != EMB_OUT_POOLER)
        emb_linear_run(d, last, count, x, size, out, emb_pooler_dim(e, what));
    else if (x != out) memcpy(out, x, (size_t)(count * size) * sizeof *out);
}
