/* The forward pass. Shapes: tokens are all tokens of the batch, packed; h = hidden_size. */
#include "encoder.h"

#include <math.h>
#include <stdio.h>

/* ---- weights ------------------------------------------------------------------ */

typedef struct name {
    char text[192];
} name;

static name layer_name(const char *pattern, int64_t layer)
{
    name n;
    snprintf(n.text, sizeof n.text, pattern, (int)layer);
    return n;
}

static void load_word_embeddings(emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    name own, tied;
    int64_t shape[2] = {a->vocab_size, a->embedding_size};
    snprintf(own.text, sizeof own.text, "%s.weight", a->names->word_embeddings);
    snprintf(tied.text, sizeof tied.text, "%s.weight", a->names->tied_embeddings);
    bool only_tied = !emb_load_find(l, own.text) && emb_load_find(l, tied.text);
    e->word_embeddings = emb_load_tensor(l, only_tied ? tied.text : own.text, 2, shape);
    l->parameters += a->vocab_size * a->embedding_size;
}

static void load_embeddings(emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    const emb_names *names = a->names;
    name n;
    load_word_embeddings(e, l);
    snprintf(n.text, sizeof n.text, "%s.weight", names->position_embeddings);
    e->position_embeddings =
        emb_load_floats(l, n.text, a->max_position_embeddings, a->embedding_size);
    if (a->type_vocab_size) {
        snprintf(n.text, sizeof n.text, "%s.weight", names->token_type_embeddings);
        e->token_type_embeddings =
            emb_load_floats(l, n.text, a->type_vocab_size, a->embedding_size);
    }
    emb_load_norm(l, names->embeddings_norm, a->embedding_size, a->layer_norm_eps,
                  &e->embeddings_norm);
    if (a->embedding_size != a->hidden_size)
        emb_load_linear(l, names->embeddings_project, a->hidden_size, a->embedding_size, true,
                        EMB_ACT_NONE, &e->embeddings_project);
}

static void load_layer(emb_encoder *e, emb_loader *l, int64_t i)
{
    const emb_architecture *a = &e->arch;
    const emb_names *names = a->names;
    emb_layer *layer = &e->layers[i];
    int64_t h = a->hidden_size;
    name q = layer_name(names->query, i), k = layer_name(names->key, i),
         v = layer_name(names->value, i);
    const char *qkv[3] = {q.text, k.text, v.text};

    emb_load_stacked(l, qkv, 3, e->part, h, h, &layer->qkv);
    emb_load_linear(l, layer_name(names->attention_output, i).text, h, h, true, EMB_ACT_NONE,
                    &layer->attention_output);
    emb_load_norm(l, layer_name(names->attention_norm, i).text, h, a->layer_norm_eps,
                  &layer->attention_norm);
    emb_load_linear(l, layer_name(names->intermediate, i).text, a->intermediate_size, h, true,
                    a->hidden_act, &layer->intermediate);
    emb_load_linear(l, layer_name(names->output, i).text, h, a->intermediate_size, true,
                    EMB_ACT_NONE, &layer->output);
    emb_load_norm(l, layer_name(names->output_norm, i).text, h, a->layer_norm_eps,
                  &layer->output_norm);
}

/* The pooler is the one part that may be missing: the reference would invent it. */
static void load_pooler(emb_encoder *e, emb_loader *l)
{
    name weight;
    if (!e->arch.names->pooler) return;
    snprintf(weight.text, sizeof weight.text, "%s.weight", e->arch.names->pooler);
    if (l->status == EMBED_OK && emb_load_find(l, weight.text))
        emb_load_linear(l, e->arch.names->pooler, e->arch.hidden_size, e->arch.hidden_size, true,
                        EMB_ACT_TANH, &e->pooler);
}

int32_t emb_encoder_load(emb_encoder *e, const emb_architecture *arch, emb_loader *l)
{
    *e = (emb_encoder){
        .arch = *arch,
        .attention = {arch->num_attention_heads, arch->head_dim,
                      (float)(1 / sqrt((double)arch->head_dim))},
        .part = (arch->hidden_size + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL,
    };
    l->prefix = arch->names->prefix;
    load_embeddings(e, l);
    if (l->status == EMBED_OK) {
        e->layers = emb_calloc(l->allocator, (size_t)arch->num_hidden_layers, sizeof *e->layers);
        if (!e->layers)
            l->status = emb_fail(l->error, EMBED_ENOMEM, "out of memory for %lld layers",
                                 (long long)arch->num_hidden_layers);
    }
    for (int64_t i = 0; i < arch->num_hidden_layers && l->status == EMBED_OK; i++)
        load_layer(e, l, i);
    load_pooler(e, l);
    e->parameters = l->parameters;
    e->weight_bytes = l->bytes;
    if (l->status < 0) emb_encoder_free(e, l->allocator);
    return l->status;
}

void emb_encoder_free(emb_encoder *e, const emb_allocator *a)
{
    emb_floats_free(e->position_embeddings, a);
    emb_floats_free(e->token_type_embeddings, a);
    emb_norm_free(&e->embeddings_norm, a);
    emb_linear_free(&e->embeddings_project, a);
    emb_linear_free(&e->pooler, a);
    for (int64_t i = 0; e->layers && i < e->arch.num_hidden_layers; i++) {
        emb_linear_free(&e->layers[i].qkv, a);
        emb_linear_free(&e->layers[i].attention_output, a);
        emb_norm_free(&e->layers[i].attention_norm, a);
        emb_linear_free(&e->layers[i].intermediate, a);
        emb_linear_free(&e->layers[i].output, a);
        emb_norm_free(&e->layers[i].output_norm, a);
    }
    emb_free(a, e->layers);
    *e = (emb_encoder){0};
}

/* ---- forward pass ---------------------------------------------------------------- */

void emb_encoder_plan(const emb_encoder *e, int64_t max_tokens, int32_t threads, emb_arena *arena,
                      emb_encoder_scratch *out)
{
    const emb_architecture *a = &e->arch;
    size_t tokens = (size_t)max_tokens;
    out->x = emb_arena_take(arena, tokens, (size_t)a->hidden_size * sizeof(float));
    out->context = emb_arena_take(
        arena, tokens, (size_t)EMB_MAX(a->hidden_size, a->embedding_size) * sizeof(float));
    out->qkv = emb_arena_take(arena, tokens, 3 * (size_t)e->part * sizeof(float));
    out->mlp = emb_arena_take(arena, tokens, (size_t)a->intermediate_size * sizeof(float));
    out->attention_per_thread =
        emb_attention_scratch(&e->attention, EMB_MIN(max_tokens, a->max_position_embeddings));
    out->attention = emb_arena_take(arena, (size_t)threads, out->attention_per_thread);
}

typedef struct lookup {
    const emb_encoder *encoder;
    const emb_kernels *kernels;
    const emb_batch *batch;
    float *out; /* [tokens][embedding_size] */
} lookup;

/* (word + token type) + position, for the tokens of one sequence */
static void look_up(void *arg, int64_t sequence)
{
    const lookup *u = arg;
    const emb_encoder *e = u->encoder;
    const emb_batch *b = u->batch;
    int64_t size = e->arch.embedding_size, start = b->starts[sequence];
    for (int64_t t = start; t < b->starts[sequence + 1]; t++) {
        float *row = u->out + t * size;
        const float *type = e->token_type_embeddings;
        if (type) type += b->type_ids[t] * size;
        emb_widen_rows(u->kernels, e->word_embeddings, size, b->ids[t], 1, row);
        u->kernels->add_rows_f32(size, row, type, e->position_embeddings + (t - start) * size, row);
    }
}

static void embed_tokens_of(const emb_encoder *e, const emb_device *d, const emb_batch *b,
                            const emb_encoder_scratch *s)
{
    bool project = e->embeddings_project.weight.data != NULL;
    float *rows = project ? s->context : s->x;
    lookup u = {e, d->kernels, b, rows};
    emb_parallel(d, look_up, &u, b->sequences);
    emb_norm_run(d, &e->embeddings_norm, b->tokens, e->arch.embedding_size, rows, NULL, NULL, rows);
    if (project)
        emb_linear_run(d, &e->embeddings_project, b->tokens, rows, e->arch.embedding_size, s->x,
                       e->arch.hidden_size);
}

/* x = norm(x + attention(x)); x = norm(x + mlp(x)) */
static void run_layer(const emb_encoder *e, const emb_layer *w, const emb_device *d,
                      const emb_batch *b, const emb_encoder_scratch *s)
{
    int64_t h = e->arch.hidden_size, i = e->arch.intermediate_size, ld = 3 * e->part;
    float *product = s->qkv; /* [tokens][h], once attention is done with qkv */

    emb_linear_run(d, &w->qkv, b->tokens, s->x, h, s->qkv, ld);
    emb_attention_run(d, &e->attention, b->sequences, b->starts, s->qkv, s->qkv + e->part,
                      s->qkv + 2 * e->part, ld, s->context, h, s->attention,
                      s->attention_per_thread);
    emb_linear_product(d, &w->attention_output, b->tokens, s->context, h, product, h);
    emb_norm_run(d, &w->attention_norm, b->tokens, h, product, w->attention_output.bias, s->x,
                 s->x);

    emb_linear_run(d, &w->intermediate, b->tokens, s->x, h, s->mlp, i);
    emb_linear_product(d, &w->output, b->tokens, s->mlp, i, product, h);
    emb_norm_run(d, &w->output_norm, b->tokens, h, product, w->output.bias, s->x, s->x);
}

const float *emb_encoder_run(const emb_encoder *e, const emb_device *d, const emb_batch *batch,
                             int64_t layer, const emb_encoder_scratch *scratch)
{
    embed_tokens_of(e, d, batch, scratch);
    for (int64_t i = 0; i < layer; i++) run_layer(e, &e->layers[i], d, batch, scratch);
    return scratch->x;
}
